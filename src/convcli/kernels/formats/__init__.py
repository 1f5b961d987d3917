"""The formats of kernels: files of arrays, and texts; `read.py` lists them all."""
