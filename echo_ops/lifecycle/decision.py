"""What became of a proposal: what the user did with it, and how much of it is in the commit."""

from __future__ import annotations

from typing import Final

from rapidfuzz.distance import LCSseq

OUTCOMES: Final = {"accepted": 3, "partially_accepted": 2, "rejected": 1, "ignored": 0}
"""Kinds of events that say what the user did; of several for one request the strongest counts: who accepted a word
and then dismissed the rest has partially accepted, whatever arrived last."""


def stronger(one: str | None, other: str) -> str:
    """The outcome that counts, of two that were reported for one request."""
    return other if one is None or OUTCOMES[other] > OUTCOMES[one] else one


def at_caret(proposal: str, before: str, after: str) -> str:
    """A proposal as an insertion at the caret: what it repeats of the text that it replaces is taken off.

    Args:
        proposal: the text that would stand in place of ``before + after``.
        before: replaced text before the caret.
        after: replaced text behind the caret.

    Returns:
        The text that would stand in the gap; ``proposal`` itself when it changes text before the caret.
    """
    if not proposal.startswith(before):
        return proposal
    rest = proposal[len(before) :]
    if after and rest.endswith(after):
        rest = rest[: -len(after)]
    return rest


def kept_rate(proposal: str, committed: str) -> float:
    """Share of the proposal's characters that are in the commit, in the same order: their longest common subsequence.

    Of a long commit the beginning is compared.
    """
    if proposal in committed:
        return 1.0
    return LCSseq.similarity(proposal, committed[: 4 * len(proposal) + 4000]) / len(proposal)
