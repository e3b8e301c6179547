"""Where secrets and personal data stand in a text.

Tokens of known vendors, private keys and credentials in URLs come from Kingfisher (MongoDB, Apache-2.0; some 500 rules
compiled for Vectorscan: 42,000 documents of 3 kB a second on one core, where detect-secrets does 75). What follows is
what it leaves to others: values given to names such as ``password``, long random strings, keys that a window cut
through, and personal data. Nothing that is found leaves this module but as offsets.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from kingfisher_sdk import Scanner

FindingKind = Literal["SECRET", "EMAIL", "PHONE", "IP_ADDRESS"]


class Finding(NamedTuple):
    """A place in a text, half-open, in code points."""

    start: int
    end: int
    kind: FindingKind


VENDOR = re.compile(r"(?:AKIA|ASIA)[A-Z2-7]{16}|hf_[A-Za-z]{34}")
"""What Kingfisher takes only together with its other half."""

PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)", re.DOTALL
)
PRIVATE_KEY_END = re.compile(r"-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----")
PRIVATE_KEY_LINE = re.compile(r"\s*[A-Za-z0-9+/=]+\s*")
"""A key whose end, or begin, may lie outside the window."""

URL_PASSWORD = re.compile(r"://[^\s:@/'\"<>{}$]{0,200}:([^\s:@/'\"<>{}$]{3,200})@")

SECRET_WORDS = ("passw", "passphrase", "pwd", "secret", "token", "credential", "key", "bearer ", "basic ")

HEADER = re.compile(r"(?:bearer|basic|token)\s{1,20}((?=[^\s\"']{0,200}\d)[A-Za-z0-9._~+/-]{16,2000}=*)", re.IGNORECASE)

ASSIGNED = re.compile(
    r"(?P<name>passw|passphrase|pwd|secret|token|credential|key)[\w-]{0,40}[\"'`\]]?\s{0,20}(?::=|=>|==?|:)\s{0,20}(?:[A-Za-z]{1,2})?"
    r"(?P<quote>[\"'`])(?P<value>[^\s\"'`]{4,200})(?P=quote)",
    re.IGNORECASE,
)
"""A literal given to a name that says secret: ``db_password = "…"``, ``"api_key": "…"``, ``token := "…"``."""

ENVIRONMENT = re.compile(
    r"[A-Z0-9_]{0,40}(?:PASSW|SECRET|TOKEN|KEY)[A-Z0-9_]{0,40}=(?P<value>[^\s\"'`$(){}<>,;]{6,200})$", re.MULTILINE
)
"""A line of an .env file."""

PLACEHOLDER = re.compile(
    r"<|\{|\$|%|\*{3}|x{4}|\.{3}|your|example|change|placeholder|dummy|redacted|todo|password$|secret$|token$|_key$",
    re.IGNORECASE,
)
"""Values that stand for a secret and are none."""

RANDOM = re.compile(r"[\"'`](?:(?P<hex>[0-9a-fA-F]{32,128})|(?P<base64>[A-Za-z0-9+/_-]{32,200}={0,2}))(?=[\"'`])")
HEX_ENTROPY, BASE64_ENTROPY = 3.0, 4.5
"""Bits per character from which a quoted string counts as random: detect-secrets' defaults."""

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
# None of these begins with a look-behind: `re` then skips to the first character that can match, 5 times as fast. What
# stands before a match is looked at afterwards. Repetitions are bounded, or stop at a literal: the texts are anybody's.


def find(text: str) -> list[Finding]:
    """Every secret and piece of personal data in ``text``: ascending, apart from each other."""
    found = sorted({*_vendors(text), *_keys(text), *_named(text), *_random(text), *_personal(text)})
    apart: list[Finding] = []
    for finding in found:
        last = apart[-1] if apart else None
        if last is None or finding.start >= last.end:
            apart.append(finding)
        else:  # one place, two readings: the whole of it, and a secret before all
            kind = "SECRET" if "SECRET" in (last.kind, finding.kind) else last.kind
            apart[-1] = Finding(last.start, max(last.end, finding.end), kind)
    return apart


def _vendors(text: str) -> Iterator[Finding]:
    data = text.encode()
    for finding in _scanner().scan(data):
        start, end = finding.location["start_offset"], finding.location["end_offset"]
        if len(data) != len(text):
            start, end = (len(data[:offset].decode(errors="ignore")) for offset in (start, end))
        yield Finding(start, end, "SECRET")


@cache
def _scanner() -> Scanner:
    from kingfisher_sdk import Rules, Scanner

    return Scanner(Rules(confidence="low"))


def _keys(text: str) -> Iterator[Finding]:
    if "AKIA" in text or "ASIA" in text or "hf_" in text:
        yield from (Finding(*match.span(), "SECRET") for match in VENDOR.finditer(text))
    if "PRIVATE KEY" in text:
        yield from (Finding(*match.span(), "SECRET") for match in PRIVATE_KEY.finditer(text))
        for match in PRIVATE_KEY_END.finditer(text):
            yield Finding(_key_start(text, match.start()), match.end(), "SECRET")


def _key_start(text: str, end: int) -> int:
    """Where the lines of a key begin that stand before ``end``, the start of a line."""
    while end:
        line = text.rfind("\n", 0, end - 1) + 1
        if not PRIVATE_KEY_LINE.fullmatch(text, line, end):
            break
        end = line
    return end


def _named(text: str) -> Iterator[Finding]:
    """Values that a name, a scheme or a URL gives away."""
    if "://" in text:
        yield from (Finding(*match.span(1), "SECRET") for match in URL_PASSWORD.finditer(text))
    lower = text.lower()
    if len(lower) != len(text):  # some capitals are two characters when lowered: offsets would not fit
        lower = text
    for word in SECRET_WORDS:
        start = lower.find(word)
        while start >= 0:
            if header := HEADER.match(text, start):
                yield Finding(*header.span(1), "SECRET")
            assigned = ASSIGNED.match(text, start)
            if assigned and _is_secret(assigned["name"], assigned["value"]):
                yield Finding(*assigned.span("value"), "SECRET")
            start = lower.find(word, start + len(word))
    if any(word in text for word in ("PASSW", "SECRET", "TOKEN", "KEY")):
        for match in ENVIRONMENT.finditer(text):
            if not PLACEHOLDER.search(match["value"]):
                yield Finding(*match.span("value"), "SECRET")


def _is_secret(name: str, value: str) -> bool:
    """Whether a literal is more than a stand-in; names like "token" and "key" are harmless unless it looks random."""
    weak = name.lower() in ("token", "key", "credential")
    return not PLACEHOLDER.search(value) and (not weak or _looks_random(value))


def _random(text: str) -> Iterator[Finding]:
    for match in RANDOM.finditer(text):
        limit = HEX_ENTROPY if match["hex"] else BASE64_ENTROPY
        if _entropy(match[0][1:]) >= limit:
            yield Finding(match.start() + 1, match.end(), "SECRET")


def _personal(text: str) -> Iterator[Finding]:
    if "@" in text:
        for match in EMAIL_DOMAIN.finditer(text):
            name = EMAIL_NAME.search(text, max(0, match.start() - 64), match.start())
            if name and not RESERVED_EMAIL.search(text[name.start() : match.end()]):
                yield Finding(name.start(), match.end(), "EMAIL")
    for phone in PHONES:
        for match in phone.finditer(text):
            if _stands_alone(text, match) and 9 <= sum(character.isdigit() for character in match[0]) <= 15:
                yield Finding(*match.span(), "PHONE")
    for match in IPV4.finditer(text):
        if _stands_alone(text, match) and _is_global(match[0]):
            yield Finding(*match.span(), "IP_ADDRESS")
    if IPV6_HINT.search(text):
        for match in IPV6.finditer(text):
            if _stands_alone(text, match) and _is_global(match[0]):
                yield Finding(*match.span(), "IP_ADDRESS")


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


def _looks_random(value: str) -> bool:
    return (
        len(value) >= 12 and any(c.isdigit() for c in value) and any(c.isalpha() for c in value) and _entropy(value) > 3
    )


def _entropy(value: str) -> float:
    """Shannon entropy in bits per character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
