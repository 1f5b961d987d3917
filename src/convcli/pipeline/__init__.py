"""The use case of `convcli apply`: pictures and kernels in, pictures and a report out."""
