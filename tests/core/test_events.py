"""What one domain sets off in another."""
