"""Cartwright: the back office of a shop."""
