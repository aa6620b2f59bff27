"""Finds finished motions by name and reads them."""
