"""Encodes texts separately from sampling."""
