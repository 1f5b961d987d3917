"""The explorer: one page for a browser, in which a kernel slides over a picture."""
