"""What the user meant: cut points and verdicts."""
