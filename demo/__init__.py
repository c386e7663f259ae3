"""A small marketplace of our own making, and the program behind `make demo`."""
