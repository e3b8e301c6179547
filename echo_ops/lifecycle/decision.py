"""What became of a proposal: what the user did with it, and how much of it is in the commit."""

from __future__ import annotations

OUTCOMES = {"accepted": 3, "partially_accepted": 2, "rejected": 1, "ignored": 0}
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
    """Share of the proposal's characters that are in the commit, in the same order.

    The longest common subsequence, bit-parallel (Hyyrö, "Bit-parallel LCS-length computation revisited", 2004): one
    step per character of the commit, on an integer as wide as the proposal.
    """
    if not proposal:
        return 1.0
    if proposal in committed:
        return 1.0
    if not committed:
        return 0.0
    masks: dict[str, int] = {}
    for bit, character in enumerate(proposal):
        masks[character] = masks.get(character, 0) | (1 << bit)
    full = (1 << len(proposal)) - 1
    row = full
    for character in committed[: 4 * len(proposal) + 4000]:
        mask = masks.get(character, 0)
        if mask:
            matched = row & mask
            row = ((row + matched) | (row - matched)) & full
    return (len(proposal) - row.bit_count()) / len(proposal)
