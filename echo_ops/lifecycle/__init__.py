"""What became of each request."""

from echo_ops.lifecycle.compiled import take

COMPILED = take(__path__)
"""Whether the compiled modules run."""
