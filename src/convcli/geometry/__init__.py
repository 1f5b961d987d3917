"""The arithmetic of sliding a window: sizes, remainders, receptive fields, parameters.

Pure integers. The engine and the commands share this package, so a size that
`convcli size` explains is the size that `convcli apply` makes. Pairs are
(rows, columns), as arrays are indexed; lengths are in pixels.
"""
