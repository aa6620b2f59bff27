"""Engines: the models on the device, and the measures of their motions."""
