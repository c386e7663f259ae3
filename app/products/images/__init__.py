"""Pictures of products: fetched from where they are, checked, kept for a while, and shown by our own server."""
