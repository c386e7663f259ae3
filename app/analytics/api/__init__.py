"""The figures' API."""
