"""How one output value came to be."""
