"""The commands of the farm."""
