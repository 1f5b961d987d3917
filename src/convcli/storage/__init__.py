"""Where bytes come from and go: paths and URLs."""
