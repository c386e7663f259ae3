"""Orders: checkout, payments, fulfilment, coupons, and the sales that come of it."""
