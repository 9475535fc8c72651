"""Workflows of other products, read into definitions of ours: nothing is left out without a word in the report."""
