"""The JSON objects of docs/json.md; imports neither click nor rich."""
