"""The engine: how a correlation is computed. `correlate.py` is its front door."""
