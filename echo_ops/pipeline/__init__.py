"""The steps, in order; the only code that reads and writes the lake."""
