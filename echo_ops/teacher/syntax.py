"""The teacher without a model: tree-sitter alone, the first complete unit."""

from __future__ import annotations

from collections.abc import Iterable

from echo_ops.teacher.port import SILENCE, Answer, Cut, Progress, Question, silent
from echo_ops.teacher.usage import Usage

TELL_EVERY = 1000
"""Answers between two reports of progress."""


class SyntaxTeacher:
    """Takes a commit up to the end of its first complete unit, and an empty commit for silence.

    The first complete unit is the smallest statement or block that holds the commit's first character of code and ends
    inside the commit, or the rest of the header where the request opened inside one (``if x|:``: the body is another
    thought). Where none ends there (the statement ends in the suffix, the grammar is unknown or the code is broken),
    it is the commit's first line that is not blank. It knows nothing of intent: it cannot tell an abandoned commit
    from a wanted one, so it never rejects, and its answers carry no probability.
    """

    name = "syntax"
    prompt_version = "2"  # raised whenever the rule above or the cut points change

    def __init__(self) -> None:
        self.usage = Usage()

    def ask(self, questions: Iterable[Question], progress: Progress = silent) -> list[Answer | None]:
        """The first complete unit of each commit; never None."""
        answers: list[Answer | None] = []
        for question in questions:
            fills = question.committed and Answer(first_unit(question.cuts), None, "fill", None)
            answers.append(fills or SILENCE)
            if len(answers) % TELL_EVERY == 0:
                progress(len(answers))
        progress(len(answers))
        return answers


def first_unit(cuts: tuple[Cut, ...]) -> Cut:
    """The cut at the end of the first complete unit; ``cuts`` is ascending and not empty."""
    for cut in cuts:
        if cut.closes and cut.kind in ("statement", "block", "line"):
            return cut
    lines = (cut for cut in cuts if cut.kind in ("line", "statement", "block"))
    return next(lines, cuts[-1])
