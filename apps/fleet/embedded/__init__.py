"""Real PostgreSQL and Valkey out of Python wheels, for machines that have neither.

Nothing here needs Django: the servers start first, and their addresses become its settings.
"""
