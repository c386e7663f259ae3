"""Proposing a profile for a shop that nobody has described yet."""
