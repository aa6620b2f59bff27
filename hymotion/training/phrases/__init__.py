"""Texts for actions: phrases, attributes and variants of wording."""
