"""Redis and Celery's client side: the broker, the application, publishing, reconciling."""
