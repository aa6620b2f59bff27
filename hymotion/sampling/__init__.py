"""From noise to a latent, apart from the network."""
