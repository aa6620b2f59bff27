"""Sampling a latent from noise: guidance, solver and numerics guard."""
