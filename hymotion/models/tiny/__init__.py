"""Small models for trying the whole path on a laptop; see the comments in the configs."""
