"""What became of each request."""
