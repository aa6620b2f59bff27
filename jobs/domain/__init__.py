"""Values and rules without I/O: what a job is, where it may go, what it needs."""
