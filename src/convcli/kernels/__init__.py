"""Kernels: what they are, the named ones, and how they are read from text and files."""
