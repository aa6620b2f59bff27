"""Read-only queries: pages of jobs, statistics, backlog."""
