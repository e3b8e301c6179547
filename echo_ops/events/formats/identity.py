"""Who and where, without names: pseudonyms, paths below a root, repositories without credentials, languages."""

from __future__ import annotations

import hmac
import re
from pathlib import PurePosixPath
from urllib.parse import unquote

LANGUAGES = {
    ".c": "c", ".cc": "cpp", ".cpp": "cpp", ".cs": "csharp", ".css": "css", ".cxx": "cpp", ".go": "go", ".h": "c",
    ".hpp": "cpp", ".html": "html", ".java": "java", ".js": "javascript", ".json": "json", ".jsx": "javascriptreact",
    ".kt": "kotlin", ".lua": "lua", ".md": "markdown", ".mjs": "javascript", ".php": "php", ".py": "python",
    ".pyi": "python", ".rb": "ruby", ".rs": "rust", ".scala": "scala", ".sh": "shellscript", ".sql": "sql",
    ".swift": "swift", ".toml": "toml", ".ts": "typescript", ".tsx": "typescriptreact", ".vue": "vue", ".yaml": "yaml",
    ".yml": "yaml",
}  # fmt: skip
"""VS Code's languageId by the end of a file's name."""

UNKNOWN_USER = "unknown"
"""The pseudonym where a source names nobody."""

_HOME = re.compile(r"^((?:/[A-Za-z]:)?/(?:home|users)/[^/]+)(?:/|$)", re.IGNORECASE)


class Pseudonyms:
    """Stable names that tell nothing: HMAC-SHA-256 of the name, its first 128 bits in hexadecimal.

    Args:
        key: with a secret key, nobody else can test whether a pseudonym is a given name's; without one, anybody can.
    """

    def __init__(self, key: bytes = b"") -> None:
        self._key = key

    def of(self, what: str, name: str) -> str:
        """The pseudonym of a name; ``what`` keeps users, files and folders apart."""
        text = f"{what}\0{name}".encode("utf-8", "replace")
        return hmac.new(self._key, text, "sha256").hexdigest()[:32]

    def user(self, name: str | None) -> str:
        """A user's pseudonym."""
        return self.of("user", name) if name else UNKNOWN_USER


def plain_path(uri: str) -> str:
    """A path with slashes, from a path or a file URI."""
    path = unquote(re.sub(r"^[a-z][a-z0-9+.-]+://[^/]*", "", uri, flags=re.IGNORECASE)) if "://" in uri else uri
    path = path.replace("\\", "/")
    return f"/{path}" if re.match(r"[A-Za-z]:/", path) else path


def below(uri: str, root: str | None) -> tuple[str, bool]:
    """A file's path below a root.

    Returns:
        The path, and whether it is whole; where the root is not known, or the file lies elsewhere, an absolute path
        is cut down to the file's name: what stands before it names people.
    """
    path = plain_path(uri)
    if root:
        folder = plain_path(root).rstrip("/")
        if path.lower().startswith(f"{folder}/".lower()):
            return path[len(folder) + 1 :], True
    if not path.startswith(("/", "~", "../")):
        return path, True
    return PurePosixPath(path).name, False


def home(uri: str) -> str | None:
    """The home folder that a path lies in: the nearest thing to a user that some sources have."""
    found = _HOME.match(plain_path(uri))
    return found[1] if found else None


def repository(url: str | None) -> str | None:
    """``host/owner/name`` of a git URL, without scheme, credentials and ``.git``; of a local path, the last part."""
    if not url:
        return None
    if url.startswith("file:") or ("://" not in url and plain_path(url).startswith("/")):
        return PurePosixPath(plain_path(url)).name.removesuffix(".git") or None
    rest = re.sub(r"^[a-z][a-z0-9+.-]*://", "", url, flags=re.IGNORECASE)
    rest = rest.split("?")[0].split("#")[0]
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2]
    if "://" not in url:
        host = host.replace(":", "/", 1)  # git@host:owner/name
    return f"{host}{slash}{path}".rstrip("/").removesuffix(".git") or None


def language(path: str) -> str | None:
    """VS Code's languageId, from the end of the file's name."""
    return LANGUAGES.get(PurePosixPath(path).suffix.lower())
