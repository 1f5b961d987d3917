"""All of rich: what people read in a terminal."""
