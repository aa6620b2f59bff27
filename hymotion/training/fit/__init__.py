"""The training run itself."""
