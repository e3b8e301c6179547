"""The tables that stages hand over, as Arrow schemas. Each says who writes it and who reads it."""
