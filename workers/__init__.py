"""What runs in a Celery process."""
