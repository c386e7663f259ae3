"""Payment providers: one port, and who is behind it."""
