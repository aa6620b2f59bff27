"""Models bundled with the package: one folder per model, one config per mode."""
