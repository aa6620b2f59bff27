"""A batch's progress, why its jobs wait, and the distance of its motions from real ones."""
