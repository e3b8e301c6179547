"""Where personal data stand in a text: e-mail addresses, phone numbers, addresses of machines."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

FindingKind = Literal["SECRET", "EMAIL", "PHONE", "IP_ADDRESS"]


class Finding(NamedTuple):
    """A place in a text, half-open, in code points."""

    start: int
    end: int
    kind: FindingKind


EMAIL_DOMAIN = re.compile(
    r"@(?:[A-Za-z0-9-]+\.)+(?:[a-z]{2}|com|org|net|edu|gov|info|dev|app|cloud|tech|online|email)\b(?!\()"
)
"""Endings are listed: ``a@weights.mean`` is a product of matrices."""
EMAIL_NAME = re.compile(r"[A-Za-z0-9][\w.+-]*\Z")

RESERVED_EMAIL = re.compile(r"@(?:[\w-]+\.)*example\.(?:com|org|net)$|^(?:git|noreply|no-reply)@", re.IGNORECASE)

PHONES = (
    re.compile(r"\+[1-9]\d{0,2}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{2,4}(?:[ .-]?\d{2,4}){2,4}(?![\w-])"),
    re.compile(r"[(2-9](?:\d{3}\) ?|\d{2}-)[2-9]\d{2}-\d{4}(?![\w-])"),
)

IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?![\w.]?\d)")
IPV6_HINT = re.compile(r":[0-9a-fA-F]{0,4}:[0-9a-fA-F]")
IPV6 = re.compile(r"(?:[0-9a-fA-F]{1,4}:){3,7}:?[0-9a-fA-F]{1,4}(?::[0-9a-fA-F]{1,4}){0,7}(?![\w:])")

NUMBERS = re.compile(r"\d[\d().+ -]{5,}\d")
"""What may hold a phone number or an IPv4 address: one scan for both, and hardly ever anything to look at."""

VERSION = re.compile(r"version|release|semver|\bver\b|\bv\s?\Z", re.IGNORECASE)
"""Names that make a version of four numbers."""


def personal(text: str) -> Iterator[Finding]:
    """Every piece of personal data in a text, in no order."""
    if "@" in text:
        for match in EMAIL_DOMAIN.finditer(text):
            name = EMAIL_NAME.search(text, max(0, match.start() - 64), match.start())
            if name and not RESERVED_EMAIL.search(text[name.start() : match.end()]):
                yield Finding(name.start(), match.end(), "EMAIL")
    for numbers in NUMBERS.finditer(text):
        # with what opens a number, and what follows it: that decides whether it is one
        start, end = max(0, numbers.start() - 1), numbers.end() + 2
        for phone in PHONES:
            for match in phone.finditer(text, start, end):
                if _stands_alone(text, match) and 9 <= sum(map(str.isdigit, match[0])) <= 15:
                    yield Finding(*match.span(), "PHONE")
        for match in IPV4.finditer(text, start, end):
            if _stands_alone(text, match) and _is_global(match[0]) and not _is_version(text, match.start()):
                yield Finding(*match.span(), "IP_ADDRESS")
    if IPV6_HINT.search(text):
        for match in IPV6.finditer(text):
            if _stands_alone(text, match) and _is_global(match[0]):
                yield Finding(*match.span(), "IP_ADDRESS")


def _is_version(text: str, start: int) -> bool:
    """Whether what stands before on the line says that a version follows."""
    return bool(VERSION.search(text[max(0, start - 40) : start].rpartition("\n")[2]))


def _stands_alone(text: str, match: re.Match[str]) -> bool:
    """Whether a number is not the end of a longer word, number or address."""
    before = text[match.start() - 1 : match.start()]
    return not before or not (before.isalnum() or before in "_.+-:")


def _is_global(address: str) -> bool:
    """Whether an address can point at somebody: not loopback, private, reserved or for documentation."""
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
