"""Every error has one shape, and says no more than it should."""
