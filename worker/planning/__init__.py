"""What a worker decides before anything is loaded."""
