"""What is worth learning."""
