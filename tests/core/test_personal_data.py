"""What is kept of a person, and erasing it."""
