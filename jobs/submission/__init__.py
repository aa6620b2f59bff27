"""Submit prompt files: route, cache, commit and publish their jobs."""
