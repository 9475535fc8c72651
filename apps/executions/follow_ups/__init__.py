"""What follows from the end of an execution: undoing, trying again, dealing with the failure."""
