"""Programmers who write real code and use completions, with the truth known."""
