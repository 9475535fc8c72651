"""Workspaces, who is in them and with what rights: one module a topic, with its reads and its actions."""
