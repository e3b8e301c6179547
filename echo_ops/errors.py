"""Every error that Echo Ops raises on purpose, drawn once.

    EchoError                 one clear line: the value, the limit, the remedy
    ├── InputError            what the caller gave cannot be used; exit status 2, nothing written
    │   └── SchemaError       a table lacks a column or has it in another type
    ├── QualityError          a critical expectation failed; the day is not published
    ├── UnavailableError      a server or a store does not answer; worth a retry
    │   └── TeacherError      a teacher or a student is gone, or gives no valid answers
    ├── BudgetError           a limit that somebody set on purpose was reached
    └── TrainingError         training stopped; nothing was registered

A message never holds users' code, a secret, or a URL with its password.
"""


class EchoError(Exception):
    """An error whose message is fit for the person who runs the command."""

    exit_status = 1


class InputError(EchoError):
    """What the caller gave cannot be used."""

    exit_status = 2


class SchemaError(InputError):
    """A table lacks a column or has it in another type."""


class QualityError(EchoError):
    """A critical expectation failed; nothing of the day is published."""


class UnavailableError(EchoError):
    """A server or a store does not answer; the same call may work later."""


class TeacherError(UnavailableError):
    """A teacher or a student is gone, or gives no valid answers."""


class BudgetError(EchoError):
    """A limit that somebody set on purpose was reached."""


class TrainingError(EchoError):
    """Training stopped; nothing was registered."""
