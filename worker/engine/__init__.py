"""What computes: the models on the device, and what is measured of their motions."""
