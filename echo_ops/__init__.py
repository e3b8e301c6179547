"""Echo Ops: turns what programmers do with a completion into a better model, every night."""
