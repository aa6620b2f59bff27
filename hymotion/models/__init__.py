"""Models that come with the package, one folder a name, one config a mode."""
