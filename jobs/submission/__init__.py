"""What a submit does after the file is read."""
