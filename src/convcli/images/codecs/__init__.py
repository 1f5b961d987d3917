"""How the formats of pictures are written and read: one file a format."""
