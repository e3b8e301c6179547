from pathlib import Path

import pytest

from echo_ops.errors import InputError, UnavailableError
from echo_ops.rollout.directory_registry import DirectoryRegistry
from echo_ops.rollout.registry import content_hash


def checkpoint(folder: Path, weights: bytes) -> Path:
    (folder / "nested").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "nested" / "weights.bin").write_bytes(weights)
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> DirectoryRegistry:
    return DirectoryRegistry(tmp_path / "registry")


def test_what_is_registered_comes_back(registry: DirectoryRegistry, tmp_path: Path) -> None:
    made = registry.register(checkpoint(tmp_path / "a", b"1"), run_id="r", tags={"echo.day": "2026-11-04"})
    assert made.served_name == "echo-completion/1"
    assert registry.version("1") == made
    assert (registry.download(made) / "nested" / "weights.bin").read_bytes() == b"1"


def test_the_same_content_is_the_same_version(registry: DirectoryRegistry, tmp_path: Path) -> None:
    first = registry.register(checkpoint(tmp_path / "a", b"1"), run_id="r1", tags={})
    assert registry.register(checkpoint(tmp_path / "b", b"1"), run_id="r2", tags={}) == first
    assert registry.register(checkpoint(tmp_path / "c", b"2"), run_id="r3", tags={}).version == "2"


def test_aliases_move_and_go(registry: DirectoryRegistry, tmp_path: Path) -> None:
    made = registry.register(checkpoint(tmp_path / "a", b"1"), run_id=None, tags={})
    assert registry.champion() is None
    registry.set_alias("champion", made)
    assert registry.champion() == made
    registry.set_alias("champion", None)
    registry.set_alias("champion", None)
    assert registry.champion() is None


def test_no_checkpoint_no_version(registry: DirectoryRegistry, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no config\.json"):
        registry.register(tmp_path, run_id=None, tags={})
    with pytest.raises(InputError, match="no version 7"):
        registry.version("7")


def test_what_was_changed_is_not_handed_out(registry: DirectoryRegistry, tmp_path: Path) -> None:
    made = registry.register(checkpoint(tmp_path / "a", b"1"), run_id=None, tags={})
    (registry.download(made) / "config.json").write_text("{ }")
    with pytest.raises(UnavailableError, match="not what was registered"):
        registry.download(made)


def test_a_hash_tells_names_and_contents_apart(tmp_path: Path) -> None:
    hashes = set()
    for name, files in {
        "a": {"x": "1", "y": "2"},
        "b": {"x": "2", "y": "1"},
        "c": {"x": "12"},
        "d": {"xy": "12"},
    }.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
        hashes.add(content_hash(tmp_path / name))
    assert len(hashes) == 4
