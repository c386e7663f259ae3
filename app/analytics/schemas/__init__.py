"""What the figures' API takes and answers."""
