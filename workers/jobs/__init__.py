"""Thin entry points: what the names that the application enqueues stand for. Arguments are ids."""
