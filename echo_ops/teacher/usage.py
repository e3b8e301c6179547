"""What a teacher or a student has cost."""

from __future__ import annotations

from dataclasses import dataclass, fields

from echo_ops.settings import ModelServer, Teacher


@dataclass(slots=True)
class Usage:
    """What a model has cost so far. Written by the client, read by reports and the budget."""

    requests: int = 0  # sent, retries among them
    retries: int = 0
    prompt_tokens: int = 0
    cached_prompt_tokens: int = 0  # of these, what the server had in its prefix cache; 0 where it does not say
    output_tokens: int = 0
    cached: int = 0  # questions answered from our cache, without a request
    refused: int = 0  # questions without a usable answer

    @property
    def tokens(self) -> int:
        """Prompt and output tokens, which ``max_tokens`` limits."""
        return self.prompt_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        """Both together."""
        return Usage(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(Usage)))

    def cost(self, settings: ModelServer) -> float | None:
        """At the prices of a teacher's settings; None where there are none."""
        if not isinstance(settings, Teacher) or not (settings.price_input or settings.price_output):
            return None
        return (self.prompt_tokens * settings.price_input + self.output_tokens * settings.price_output) / 1e6
