"""Stacks: networks counted layer by layer."""
