"""What is told of users, files and repositories."""

import pytest

from echo_ops.events.formats import identity
from echo_ops.events.formats.identity import Pseudonyms


def test_pseudonyms_are_stable_and_rest_on_the_key() -> None:
    plain, keyed = Pseudonyms(), Pseudonyms(b"secret")
    assert plain.user("alice") == Pseudonyms().user("alice") != plain.user("bob")
    assert keyed.user("alice") not in (plain.user("alice"), Pseudonyms(b"other").user("alice"))
    assert plain.of("user", "a") != plain.of("file", "a")
    assert plain.user("") == plain.user(None) == identity.UNKNOWN_USER


@pytest.mark.parametrize(
    ("uri", "root", "path", "whole"),
    [
        ("file:///home/alice/shop/src/a.py", "file:///home/alice/shop", "src/a.py", True),
        ("file:///home/alice/shop/src/a%20b.py", "/home/alice/shop/", "src/a b.py", True),
        ("file:///c%3A/Users/Alice/shop/a.py", "file:///C:/users/alice/shop", "a.py", True),
        (r"C:\Users\alice\a.py", None, "a.py", False),
        ("/home/alice/a.py", None, "a.py", False),
        ("/home/alice/shop2/a.py", "/home/alice/shop", "a.py", False),
        ("~/a.py", None, "a.py", False),
        ("../../alice/a.py", None, "a.py", False),
        ("src/a.py", None, "src/a.py", True),
        ("vscode-remote://ssh-remote+host/home/alice/a.py", None, "a.py", False),
    ],
)
def test_paths_are_below_a_root_or_names_alone(uri: str, root: str | None, path: str, whole: bool) -> None:
    assert identity.below(uri, root) == (path, whole)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://bob:token@git.example.com/acme/shop.git", "git.example.com/acme/shop"),
        ("git@github.com:acme/shop.git", "github.com/acme/shop"),
        ("ssh://git@host:22/acme/shop", "host:22/acme/shop"),
        ("https://host/acme/shop?token=secret", "host/acme/shop"),
        ("acme/shop", "acme/shop"),
        ("shop", "shop"),
        ("file:///home/alice/shop", "shop"),
        ("/home/alice/shop.git", "shop"),
        ("", None),
        (None, None),
    ],
)
def test_repositories_have_no_credentials(url: str | None, name: str | None) -> None:
    assert identity.repository(url) == name


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("file:///home/alice/shop", "/home/alice"),
        ("file:///Users/alice", "/Users/alice"),
        ("file:///c%3A/Users/alice/x", "/c:/Users/alice"),
        ("file:///workspace/shop", None),
    ],
)
def test_home_folders(uri: str, folder: str | None) -> None:
    assert identity.home(uri) == folder


def test_languages_are_vs_codes() -> None:
    assert [identity.language(path) for path in ("a/b.py", "B.TSX", "x.h", "Makefile")] == [
        "python",
        "typescriptreact",
        "c",
        None,
    ]
