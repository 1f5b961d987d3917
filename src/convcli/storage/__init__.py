"""Where bytes go and come from: the floor below pictures and kernels."""

from convcli.storage.writing import replacing

__all__ = ["replacing"]
