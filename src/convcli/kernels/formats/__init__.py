"""The formats of kernels: one file a format, one line each in `read.py`."""
