"""Small models for trying the whole system on a laptop; see the comments in the configs."""
