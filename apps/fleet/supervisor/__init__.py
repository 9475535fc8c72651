"""Runs the processes of one installation: starts them in order, keeps them up, and leaves none behind.

The supervisor is one thread without connections. It loads Django and Celery once and forks its children, which
so share their memory; servers that are programs of their own are executed.
"""
