"""The domain of HyMo: jobs, states, cards and memory, routing, the SQL store, the command line."""
