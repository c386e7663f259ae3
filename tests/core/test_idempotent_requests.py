"""Idempotency keys over HTTP."""
