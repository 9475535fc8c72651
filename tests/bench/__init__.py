"""How fast it is: W1 to W5 beside plain Celery, in the same run. `python -m tests.bench [W1 W2 …]`."""
