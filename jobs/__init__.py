"""HyMo's job queue: jobs, states, cards and memory, routing, the SQL store, the command line."""
