"""Networks as stacks of layers, counted."""
