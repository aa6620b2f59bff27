"""The checks of `hymo doctor`."""
