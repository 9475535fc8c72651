"""Node types and functions for StructForge, as an example."""
