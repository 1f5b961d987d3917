"""Pictures larger than memory: read, filtered and written block by block."""
