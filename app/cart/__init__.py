"""Cart: what a customer means to buy, before it is an order."""
