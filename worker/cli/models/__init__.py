"""The commands of `hymo models`."""
