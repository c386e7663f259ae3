"""Forms of the figures' pages."""
