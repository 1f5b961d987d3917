"""Explain: where one output value comes from."""
