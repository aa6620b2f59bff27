"""Values and rules without I/O: jobs, routing, device memory."""
