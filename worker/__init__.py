"""Workers: processes that claim jobs from the queue and run them, each on one device."""
