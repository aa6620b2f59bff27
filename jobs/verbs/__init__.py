"""Find the verbs of prompts that a model has not seen in training."""
