"""One physical device before a model exists: find it, pin it, budget it, measure its peak."""
