"""The training run: corpus, objective, optimiser and loop."""
