"""Workflows of n8n."""
