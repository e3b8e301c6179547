"""Where secrets and personal data stand in a text.

Tokens of known vendors, private keys and credentials in URLs come from Kingfisher (MongoDB, Apache-2.0; some 500 rules
compiled for Vectorscan: 42,000 documents of 3 kB a second on one core, where detect-secrets does 75). What follows is
what it leaves to others: values given to names such as ``password``, long random strings, keys that a window cut
through, and personal data. Nothing that is found leaves this module but as offsets.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from echo_ops.curation.personal import Finding, personal

if TYPE_CHECKING:
    from kingfisher_sdk import Scanner

VENDOR = re.compile(r"(?:AKIA|ASIA)[A-Z2-7]{16}|hf_[A-Za-z]{34}|GOCSPX-[\w-]{28}")
"""What Kingfisher takes only together with its other half, or not always."""

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
    r"(?P<name>passw|passphrase|pwd|secret|token|credential|key)[\w-]{0,40}[\"'`\]]?"
    r"\s{0,20}(?P<sign>:=|=>|==?|:|\{|\(|(?::|\s)\s{0,5}[\w&<>\[\]|?*:' ]{1,40}=|)\s{0,20}(?:[A-Za-z]{1,2})?"
    r"(?P<quote>[\"'`])(?P<value>[^\s\"'`]{4,200})(?P=quote)",
    re.IGNORECASE,
)
"""A literal given to a name that says secret: ``db_password = "…"``, ``"api_key": "…"``, ``token: string = "…"``."""

DEFINE = re.compile(r"#\s*define\s+\w*\Z")
"""Before a name that takes its value without a sign."""

UNQUOTED = re.compile(
    r"[\w-]{2,60}[\"']?(?P<sign>=|:[ \t]{1,20}| )(?P<value>[^\s\"'`$(){}\[\]<>,;|]{6,200})(?P<ends>[ \t]{0,20}$)?", re.M
)
"""A value without quotes, from the word that says secret on; where it counts, depends on what stands before."""

ENVIRONMENT = re.compile(r"[ \t]*(?:(?:export|set|ENV|ARG)[ \t]+)?[A-Z0-9_]*")
OPTION = re.compile(r"(?:^|.*\s)--[\w-]*")
CONNECTION = re.compile(r".*;\s?\w*")
"""The line before: of a line of an .env file, of a command's option, of a connection string."""

NOT_A_NAME = re.compile(r"[^\W\d_]\w*[\d!#?*@%^+/=~-]|[\d!#?*@%^+/=~-]\w*[^\W\d_]")
"""An unquoted value is more than a variable or a type: letters, and beside them a digit or a sign."""

PLACEHOLDER = re.compile(
    r"\$\{|\{\{|\{[\w.]*\}|^\$\w+$|%\(|%[sd]\b|<[\w .-]+>|\*{3}|x{4}|\.{3}|your|example|change|placeholder|dummy"
    r"|redacted|todo|fake|mock|sample|password$|secret$|token$|_key$",
    re.IGNORECASE,
)
"""Values that stand for a secret and are none."""

RANDOM = re.compile(r"[\"'`](?:(?P<hex>[0-9a-fA-F]{32,128})|(?P<base64>[A-Za-z0-9+/_-]{32,200}={0,2}))(?=[\"'`])")

PUBLIC = re.compile(r"sha\d{3}-|iVBORw0KGgo|R0lGOD|/9j/|UklGR|PHN2Zy|AAABAA|JVBERi", re.ASCII)
"""How checksums of packages, and images and documents in base64, begin."""

ALPHABET = re.compile("ABCDEFGH|abcdefgh|01234567")

HASHED = re.compile(
    r"sha_?\d|\bsha|md5|hash|digest|checksum|commit|revision|\brev\b|integrity|etag|fingerprint|blob|uuid|guid|crc",
    re.IGNORECASE,
)
"""Names that make a long number of what would be a key."""

HEX_RUN = re.compile(r"[0-9a-fA-F-]{32}")
HEX_ENTROPY, BASE64_ENTROPY = 3.0, 4.5
"""Bits per character from which a quoted string counts as random: detect-secrets' defaults."""

# None of these begins with a look-behind: `re` then skips to the first character that can match, 5 times as fast. What
# stands before a match is looked at afterwards. Repetitions are bounded, or stop at a literal: the texts are anybody's.


def find(text: str) -> list[Finding]:
    """Every secret and piece of personal data in ``text``: ascending, apart from each other."""
    found = sorted({*_vendors(text), *_keys(text), *_named(text), *_random(text), *personal(text)})
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
    if "AKIA" in text or "ASIA" in text or "hf_" in text or "GOCSPX" in text:
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
            if assigned and _is_secret(text, assigned):
                yield Finding(*assigned.span("value"), "SECRET")
            given = UNQUOTED.match(text, start)
            if given and _stands_unquoted(text, given):
                yield Finding(*given.span("value"), "SECRET")
            start = lower.find(word, start + len(word))


def _stands_unquoted(text: str, given: re.Match[str]) -> bool:
    """Whether a value without quotes is one: its place says so, and it is no variable and no type."""
    if not NOT_A_NAME.search(given["value"]) or _is_stand_in(given["value"]):
        return False
    before = text[max(0, given.start() - 100) : given.start()].rpartition("\n")[2]
    if given["sign"].startswith(":"):
        return given["ends"] is not None
    if OPTION.fullmatch(before):
        return True
    if given["sign"] == " ":
        return False
    in_file = given["ends"] is not None and text[given.start()].isupper() and ENVIRONMENT.fullmatch(before)
    return bool(in_file or CONNECTION.fullmatch(before))


def _is_secret(text: str, assigned: re.Match[str]) -> bool:
    """Whether a literal is more than a stand-in; names like "token" and "key" are harmless unless it looks random."""
    value = assigned["value"]
    if _is_stand_in(value):
        return False
    if not assigned["sign"] and not DEFINE.search(text, max(0, assigned.start() - 80), assigned.start()):
        return False
    weak = assigned["name"].lower() in ("token", "key", "credential") or assigned["sign"] == "("
    return not weak or _looks_random(value) or bool(HEX_RUN.search(value))


def _random(text: str) -> Iterator[Finding]:
    for match in RANDOM.finditer(text):
        value = match[0][1:]
        if match["hex"]:
            line = text[max(0, match.start() - 60) : match.start()].rpartition("\n")[2]
            if _entropy(value) < HEX_ENTROPY or HASHED.search(line):
                continue
        else:
            limit = HEX_ENTROPY + 1 if _looks_random(value, 0.35) else BASE64_ENTROPY
            if PUBLIC.match(value) or ALPHABET.search(value) or _entropy(value) < limit:
                continue
        yield Finding(match.start() + 1, match.end(), "SECRET")


def _is_stand_in(value: str) -> bool:
    """Whether a value says of itself that it is no secret; in long random text, that is chance."""
    return bool(PLACEHOLDER.search(value)) and not (len(value) >= 20 and _looks_random(value))


def _looks_random(value: str, changing: float = 0.2) -> bool:
    """Long enough, of letters and digits that change often: no words with a number behind them."""
    if len(value) < 12 or not any(map(str.isdigit, value)) or not any(map(str.isalpha, value)):
        return False
    sorts = [(c.isdigit(), c.isupper()) for c in value if c.isalnum()]
    changes = sum(one != other for one, other in pairwise(sorts))
    return changes >= changing * len(value) and _entropy(value) > 3


def _entropy(value: str) -> float:
    """Shannon entropy in bits per character."""
    return -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
