"""Who gets which model."""
