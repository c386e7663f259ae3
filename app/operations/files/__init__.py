"""Tables of products as files: CSV, TSV, XLSX and JSON Lines in and out, knowing nothing of the database."""
