"""The environment is checked before anything starts."""
