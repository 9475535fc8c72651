"""Worker processes as the fleet sees them."""
