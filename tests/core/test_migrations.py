"""The migrations make what the models say, on every database."""
