"""What editors report: Postgres in and out, offset units."""
