"""Writes of the figures."""
