"""The velocity field for packs on a GPU: the same function with fewer and fused kernels."""
