"""A POST that is sent twice is done once, whatever is in flight, lost or late."""
