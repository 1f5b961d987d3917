"""The arithmetic of sliding a window, in whole numbers: sizes, remainders, receptive fields.

Pairs are (rows, columns), as arrays are indexed; lengths are in pixels.
"""
