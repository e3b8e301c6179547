"""Delta tables: the only way stages exchange rows."""
