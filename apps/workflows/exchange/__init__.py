"""Workflows as documents that go from one installation to another."""
