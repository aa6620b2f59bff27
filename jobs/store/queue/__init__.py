"""All operations that change the state of a job."""
