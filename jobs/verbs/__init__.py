"""What prompts ask for, word by word, against what a model has seen in training."""
