"""Convolution outside images: two sequences, exactly."""
