"""Made-up secrets and personal data in code, and text that only looks like them: what a detector is measured on.

Every value is put together from a seed when it is asked for, so that no scanner finds one in this file. None was ever
valid; those of vendors have the form that the vendor documents.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
BASE64 = ALNUM + "+/"

ASSIGNMENTS: dict[str, tuple[str, ...]] = {
    "python": ('{name} = "{value}"\n', "client = Client({name}='{value}')\n", 'CONFIG = {{"{name}": "{value}"}}\n'),
    "javascript": ('const {name} = "{value}";\n', "run({{ {name}: '{value}' }});\n", "let {name} = `{value}`;\n"),
    "typescript": ('const {name}: string = "{value}";\n', "private {name} = '{value}';\n"),
    "java": ('String {name} = "{value}";\n', 'private static final String {name} = "{value}";\n'),
    "go": ('{name} := "{value}"\n', 'const {name} = "{value}"\n', 'cfg := Config{{{name}: "{value}"}}\n'),
    "rust": ('let {name} = "{value}";\n', 'const {name}: &str = "{value}";\n'),
    "c": ('#define {name} "{value}"\n', 'static const char *{name} = "{value}";\n'),
    "cpp": ('std::string {name} = "{value}";\n', 'const auto {name}{{"{value}"}};\n'),
}
"""Languages, and how each gives a value to a name."""

COMMENT = {"python": "# {}\n"} | dict.fromkeys((*ASSIGNMENTS,)[1:], "// {}\n")


@dataclass(frozen=True, slots=True)
class Planted:
    """A value in a piece of code. ``kind`` is what a table of results is by; ``finding`` what a detector calls it."""

    kind: str
    finding: str | None  # SECRET, EMAIL, PHONE, IP_ADDRESS; None: nothing is to be found
    language: str
    text: str
    value: str


def draw(dice: Random, length: int, alphabet: str = ALNUM) -> str:
    """Random text; of letters and digits, it holds both, as keys do."""
    both = length >= 8 and not alphabet.isalpha() and not alphabet.isdigit()
    while True:
        text = "".join(dice.choices(alphabet, k=length))
        if not both or (any(map(str.isdigit, text)) and any(map(str.isalpha, text))):
            return text


def _pem(dice: Random, label: str) -> str:
    body = "\n".join(draw(dice, 64, BASE64) for _ in range(6))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----"


def _jwt(dice: Random) -> str:
    return f"ey{'J'}hbGciOiJIUzI1NiJ9.ey{'J'}{draw(dice, 60)}.{draw(dice, 43)}"


def _password(dice: Random) -> str:
    return (
        dice.choice(("Tiger", "blue", "Winter", "horse", "acme")) + draw(dice, 4) + dice.choice("!#?*") + draw(dice, 2)
    )


Make = Callable[[Random], str]

TOKENS: dict[str, tuple[str, Make]] = {
    "aws access key id": ("access_key", lambda d: "AK" + "IA" + draw(d, 16, string.ascii_uppercase + "234567")),
    "aws secret key": ("aws_secret_access_key", lambda d: draw(d, 40, BASE64)),
    "anthropic": ("client_key", lambda d: "sk-" + f"ant-api03-{draw(d, 93)}AA"),
    "openai": ("api_key", lambda d: "sk-" + f"proj-{draw(d, 74)}T3Blbk" + f"FJ{draw(d, 74)}"),
    "huggingface": ("hub", lambda d: "hf" + f"_{draw(d, 34, string.ascii_letters)}"),
    "github": ("gh", lambda d: "gh" + f"{d.choice('pousr')}_{draw(d, 36)}"),
    "github fine-grained": ("gh", lambda d: "github" + f"_pat_{draw(d, 22)}_{draw(d, 59)}"),
    "gitlab": ("ci", lambda d: "glp" + f"at-{draw(d, 20)}"),
    "slack": ("bot", lambda d: "xo" + f"xb-{draw(d, 12, string.digits)}-{draw(d, 12, string.digits)}-{draw(d, 24)}"),
    "slack webhook": (
        "hook",
        lambda d: f"https://hooks.{'slack'}.com/services/T{draw(d, 8).upper()}/B{draw(d, 8).upper()}/{draw(d, 24)}",
    ),
    "stripe": ("pay", lambda d: "sk" + f"_live_{draw(d, 24)}"),
    "google api": ("maps", lambda d: "AI" + f"za{draw(d, 35)}"),
    "google oauth": ("client_secret", lambda d: "GOC" + f"SPX-{draw(d, 28)}"),
    "npm": ("registry", lambda d: "np" + f"m_{draw(d, 36)}"),
    "pypi": ("upload", lambda d: "pyp" + f"i-AgEIcHlwaS5vcmc{draw(d, 70)}"),
    "sendgrid": ("mail", lambda d: "S" + f"G.{draw(d, 22)}.{draw(d, 43)}"),
    "twilio": ("sms_key", lambda d: "S" + f"K{draw(d, 32, HEX)}"),
    "telegram": ("bot_token", lambda d: f"{d.randint(10**8, 10**9 - 1)}:AA{draw(d, 33)}"),
    "discord": ("bot_token", lambda d: f"M{draw(d, 23)}.{draw(d, 6)}.{draw(d, 38)}"),
    "shopify": ("shop", lambda d: "shp" + f"at_{draw(d, 32, HEX)}"),
    "digitalocean": ("cloud", lambda d: "dop" + f"_v1_{draw(d, 64, HEX)}"),
    "databricks": ("workspace", lambda d: "dap" + f"i{draw(d, 32, HEX)}"),
    "mailgun": ("mg_key", lambda d: f"key-{draw(d, 32, HEX)}"),
    "azure storage": (
        "conn",
        lambda d: f"DefaultEndpointsProtocol=https;AccountName=acme;AccountKey={draw(d, 86, BASE64)}==",
    ),
    "heroku": ("heroku_api_key", lambda d: "-".join(draw(d, n, HEX) for n in (8, 4, 4, 4, 12))),
    "jwt": ("session", _jwt),
    "hex key": ("secret_key", lambda d: draw(d, 64, HEX)),
    "hex in no name": ("x", lambda d: draw(d, 40, HEX)),
    "base64 in no name": ("x", lambda d: draw(d, 44, BASE64)),
    "password": ("db_password", _password),
    "passphrase": ("passphrase", lambda d: f"correct-{draw(d, 6)}-horse"),
    "punctuated secret": (
        "SECRET_KEY",
        lambda d: draw(d, 50, string.ascii_lowercase + string.digits + "!@#%^&*(-_=+)"),
    ),
    "url: postgres": ("dsn", lambda d: f"postgres://app:{draw(d, 14)}@db.acme.io:5432/app"),
    "url: mongodb": ("uri", lambda d: f"mongodb+srv://root:{draw(d, 10)}@c0.ab1cd.mongodb.net/x"),
    "url: redis": ("cache", lambda d: f"redis://:{draw(d, 20)}@cache.acme.io:6379/0"),
    "url: https": ("remote", lambda d: f"https://ci:{draw(d, 20)}@git.acme.io/app.git"),
    "ado.net": ("conn", lambda d: f"Server=db.acme.io;User Id=sa;Password={_password(d)};Encrypt=true"),
}
"""kind → the name it is usually given, and how it is made; the whole of it, or what follows ``PART``, is the secret."""

PART = {
    "url: postgres": ("app:", "@"),
    "url: mongodb": ("root:", "@"),
    "url: redis": ("://:", "@"),
    "url: https": ("ci:", "@"),
    "azure storage": ("AccountKey=", "\0"),
    "ado.net": ("Password=", ";"),
}

BLOCKS: dict[str, Make] = {
    "private key: rsa": lambda d: _pem(d, "RSA " + "PRIVATE KEY"),
    "private key: openssh": lambda d: _pem(d, "OPENSSH " + "PRIVATE KEY"),
    "private key: ec": lambda d: _pem(d, "EC " + "PRIVATE KEY"),
    "private key: pgp": lambda d: _pem(d, "PGP " + "PRIVATE KEY BLOCK"),
}

LINES: dict[str, tuple[str, Make]] = {
    "environment": ("export API_TOKEN={}\n", lambda d: draw(d, 30)),
    "bearer header": ("Authorization: Bearer {}\n", lambda d: draw(d, 40)),
    "basic header": ("Authorization: Basic {}\n", lambda d: draw(d, 28) + "=="),
    "yaml": ("db:\n  user: app\n  password: {}\n", _password),
    "shell option": ("mysql -u root --password={} app\n", _password),
}
"""Where there are no quotes."""

PERSONAL: dict[str, tuple[str, Make]] = {
    "email": ("EMAIL", lambda d: f"{d.choice(('jane', 'm.ito', 'ola+dev'))}{d.randint(1, 99)}@{draw(d, 5).lower()}.io"),
    "email: country": ("EMAIL", lambda d: f"k_{draw(d, 4).lower()}@mail.firma{d.randint(1, 99)}.co.uk"),
    "phone: international": ("PHONE", lambda d: f"+49 {d.randint(150, 179)} {d.randint(1000000, 9999999)}"),
    "phone: compact": ("PHONE", lambda d: f"+1{d.randint(212, 989)}{d.randint(2000000, 9999999)}"),
    "phone: us": ("PHONE", lambda d: f"({d.randint(212, 989)}) {d.randint(200, 999)}-{d.randint(1000, 9999)}"),
    "phone: us, dashes": ("PHONE", lambda d: f"{d.randint(212, 989)}-{d.randint(200, 999)}-{d.randint(1000, 9999)}"),
    "phone: uk": ("PHONE", lambda d: f"+44 20 {d.randint(7000, 8999)} {d.randint(1000, 9999)}"),
    "ipv4": (
        "IP_ADDRESS",
        lambda d: ".".join(map(str, (d.choice((8, 52, 93, 151)), *(d.randint(1, 254) for _ in "abc")))),
    ),
    "ipv6": ("IP_ADDRESS", lambda d: "2a02:" + ":".join(f"{d.randint(4096, 65535):x}" for _ in range(7))),
    "ipv6: short": (
        "IP_ADDRESS",
        lambda d: f"2a01:{d.randint(4096, 65535):x}:{d.randint(256, 4095):x}::{d.randint(1, 255):x}",
    ),
}

HARMLESS: dict[str, tuple[str, Make]] = {
    "git commit": ("commit", lambda d: draw(d, 40, HEX)),
    "sha-256": ("checksum_sha256", lambda d: draw(d, 64, HEX)),
    "md5": ("etag_md5", lambda d: draw(d, 32, HEX)),
    "integrity": ("integrity", lambda d: f"sha512-{draw(d, 86, BASE64)}=="),
    "uuid": ("request_id", lambda d: "-".join(draw(d, n, HEX) for n in (8, 4, 4, 4, 12))),
    "version": ("version", lambda d: ".".join(str(d.randint(0, 30)) for _ in range(d.choice((3, 4))))),
    "hex colour": ("background", lambda d: "#" + draw(d, d.choice((6, 8)), HEX)),
    "image": ("icon", lambda d: f"iVBORw0KGgo{draw(d, 140, BASE64)}="),
    "data uri": ("logo", lambda d: f"data:image/png;base64,iVBORw0KGgo{draw(d, 120, BASE64)}="),
    "alphabet": (
        "alphabet",
        lambda d: string.ascii_uppercase + string.ascii_lowercase + string.digits[: d.randint(5, 10)],
    ),
    "long identifier": (
        "event",
        lambda d: "_".join(d.choices(("user", "account", "created", "handler", "service", "v2", "failed"), k=6)),
    ),
    "class path": ("bean", lambda d: ".".join(d.choices(("org", "acme", "internal", "Factory", "Http2Client"), k=7))),
    "path": ("path", lambda d: "/".join(d.choices(("usr", "lib", "python3", "site-packages", "Src", "Main2"), k=8))),
    "reserved e-mail": ("author", lambda d: f"user{d.randint(1, 99)}@{d.choice(('example.com', 'mail.example.org'))}"),
    "git remote": ("remote", lambda d: f"git@github.com:acme/repo{d.randint(1, 99)}.git"),
    "loopback": ("host", lambda d: d.choice(("127.0.0.1", "::1", "0.0.0.0", "localhost:8080", "127.0.1.1"))),  # noqa: S104
    "private address": (
        "host",
        lambda d: d.choice(("10.0.{}.7", "192.168.1.{}", "172.16.3.{}")).format(d.randint(1, 254)),
    ),
    "documentation address": (
        "host",
        lambda d: d.choice(("192.0.2.{}", "198.51.100.{}", "203.0.113.{}", "2001:db8::{}")).format(d.randint(1, 254)),
    ),
    "date and time": (
        "at",
        lambda d: f"2026-{d.randint(1, 12):02}-{d.randint(1, 28):02}T12:{d.randint(10, 59)}:00+02:00",
    ),
    "number": ("total", lambda d: f"{d.randint(10**9, 10**13)}"),
    "decimal": ("ratio", lambda d: f"0.{d.randint(10**12, 10**15)}"),
    "url": ("url", lambda d: f"https://acme.io/a/{draw(d, 12)}?page={d.randint(1, 99)}&q={draw(d, 6)}"),
    "public key": ("deploy", lambda d: f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{draw(d, 43, BASE64)} ci"),
    "placeholder": (
        "password",
        lambda d: d.choice(
            ("<password>", "${DB_PASSWORD}", "changeme", "your_api_key", "********", "{{ secret }}", "xxxx")
        ),
    ),
    "name of a secret": (
        "token_key",
        lambda d: d.choice(("api_token", "csrf_token", "password", "secret_name", "X-Api-Key")),
    ),
    "test constant": ("token", lambda d: d.choice(("test", "abc", "dummy-token", "foo", "fake_token_1", "token123"))),
    "label": (
        "key",
        lambda d: f"{d.choice(('menu', 'dialog', 'settings'))}.{d.choice(('title', 'ok', 'cancel'))}{d.randint(1, 9)}",
    ),
    "ratio of times": ("slot", lambda d: f"{d.randint(0, 23):02}:{d.randint(0, 59):02}:{d.randint(0, 59):02}"),
    "isbn": ("isbn", lambda d: f"978-3-16-{d.randint(100000, 999999)}-{d.randint(0, 9)}"),
}
"""kind → the name it is usually given, and how it is made."""


def positives(seed: int = 0, each: int = 16) -> Iterator[Planted]:
    """``each`` values of every kind, in turn in each language."""
    for kind, (name, make) in TOKENS.items():
        for dice, language in _turns(seed, kind, each):
            whole = make(dice)
            before, after = PART.get(kind, ("", "\0"))
            value = whole.partition(before)[2].partition(after)[0] if before else whole
            yield Planted(kind, "SECRET", language, _assigned(dice, language, name, whole), value)
    for kind, block in BLOCKS.items():
        for dice, language in _turns(seed, kind, each):
            value = block(dice)
            yield Planted(kind, "SECRET", language, f'x = """{value}\n"""\n', value)
    for kind, (line, make) in LINES.items():
        for dice, language in _turns(seed, kind, each):
            value = make(dice)
            yield Planted(kind, "SECRET", language, line.format(value), value)
    for kind, (finding, make) in PERSONAL.items():
        for dice, language in _turns(seed, kind, each):
            value = make(dice)
            text = _assigned(dice, language, "contact", value)
            text = text if dice.random() < 0.6 else COMMENT[language].format(f"ask {value}, please")
            yield Planted(kind, finding, language, text, value)


def negatives(seed: int = 0, each: int = 40) -> Iterator[Planted]:
    """``each`` harmless values of every kind, in turn in each language."""
    for kind, (name, make) in HARMLESS.items():
        for dice, language in _turns(seed, kind, each):
            value = make(dice)
            yield Planted(kind, None, language, _assigned(dice, language, name, value), value)


def _turns(seed: int, kind: str, each: int) -> Iterator[tuple[Random, str]]:
    languages = (*ASSIGNMENTS,)
    for number in range(each):
        yield Random(f"{seed}/{kind}/{number}"), languages[number % len(languages)]


def _assigned(dice: Random, language: str, name: str, value: str) -> str:
    return dice.choice(ASSIGNMENTS[language]).format(name=name, value=value)
