"""Parsing what comes with a model from anybody: headers, YAML and JSON."""
