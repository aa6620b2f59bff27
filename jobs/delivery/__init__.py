"""Message delivery: the Redis broker, the Celery application, the publisher, the reconciler."""
