"""Finding products by what people type: a port with one backend for each database, and one for search servers."""
