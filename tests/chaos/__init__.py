"""Faults thrown at real processes: `python -m tests.chaos [--profile ci|full] [scenario …]`."""
