"""Everything that changes a job's state."""
