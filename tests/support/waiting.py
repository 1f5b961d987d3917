"""How long tests wait for other processes."""

PATIENCE = 600
"""Seconds. Only a program that hangs takes longer, however busy the machine is."""
