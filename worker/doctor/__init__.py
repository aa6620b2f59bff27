"""What `hymo doctor` looks at."""
