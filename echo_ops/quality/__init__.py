"""What must hold of a day."""
