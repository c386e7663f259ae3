"""What every request gets."""
