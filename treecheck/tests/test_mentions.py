"""Which files of a repository are read for the name of another file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from treecheck.files import SourceFile
from treecheck.mentions import LARGEST, Mentions

if TYPE_CHECKING:
    from pathlib import Path

WORDS = "kubectl apply -f kind/calico.yaml\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "kind").mkdir()
    return tmp_path / "kind/calico.yaml"


@pytest.mark.parametrize(
    "name",
    [
        "a.md",
        "a.mk",
        "a.sh",
        "a.just",
        "a.tf",
        "a.toml",
        "Makefile",
        "justfile",
        "Justfile",
        ".justfile",
        "x/y/a.sh",
    ],
)
def test_a_page_or_script_mentions_it(name: str, file: Path, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(WORDS, encoding="utf-8")
    assert Mentions(tmp_path, {}).has(file)


@pytest.mark.parametrize(
    "name", ["a.txt", "Dockerfile", ".git/a.md", "node_modules/a.md", "CHANGELOG.md"]
)
def test_another_file_does_not(name: str, file: Path, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(WORDS, encoding="utf-8")
    assert not Mentions(tmp_path, {}).has(file)


def test_a_virtual_environment_does_not(file: Path, tmp_path: Path) -> None:
    """Thousands of packages' texts, in a folder of any name."""
    (tmp_path / "env/lib").mkdir(parents=True)
    (tmp_path / "env/lib/a.md").write_text(WORDS, encoding="utf-8")
    assert Mentions(tmp_path, {}).has(file)

    (tmp_path / "env/pyvenv.cfg").touch()
    assert not Mentions(tmp_path, {}).has(file)


def test_the_largest_script_is_read_and_a_larger_one_or_a_link_is_not(
    file: Path, tmp_path: Path
) -> None:
    script = tmp_path / "a.sh"
    script.write_text(WORDS.ljust(LARGEST), encoding="utf-8")
    assert Mentions(tmp_path, {}).has(file)

    script.write_text(WORDS.ljust(LARGEST + 1), encoding="utf-8")
    assert not Mentions(tmp_path, {}).has(file)

    (tmp_path / "words").write_text(WORDS, encoding="utf-8")
    (tmp_path / "b.sh").symlink_to(tmp_path / "words")
    assert not Mentions(tmp_path, {}).has(file)


def test_a_manifest_counts_and_a_kustomization_or_the_file_itself_does_not(
    file: Path, tmp_path: Path
) -> None:
    sources = {}
    for name in ("kustomization.yaml", "kind/calico.yaml"):
        sources[tmp_path / name] = SourceFile(tmp_path / name, "# kind/calico.yaml\n")
    assert not Mentions(tmp_path, sources).has(file)

    other = SourceFile(tmp_path / "other.yaml", "url: https://example.com/kind/calico.yaml\n")
    assert Mentions(tmp_path, sources | {other.path: other}).has(file)


def test_what_is_not_read_ends_no_search(file: Path, tmp_path: Path) -> None:
    for name in "abcdefgh":
        (tmp_path / f"{name}.txt").write_text(WORDS, encoding="utf-8")
        (tmp_path / f"{name}.md").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "i.sh").write_text(WORDS, encoding="utf-8")
    assert Mentions(tmp_path, {}).has(file)


@pytest.mark.parametrize(
    ("name", "found"),
    [("calico.yaml", True), ("my-calico.yaml", False), ("calico.yaml.bak", False)],
)
def test_a_script_that_adds_it_to_a_kustomization_mentions_it(
    name: str, found: bool, file: Path, tmp_path: Path
) -> None:
    text = f"cd kind && $(KUSTOMIZE) edit add patch --path {name} ;\n"
    (tmp_path / "Makefile").write_text(text, encoding="utf-8")

    assert Mentions(tmp_path, {}).has(file) is found


def test_a_script_creates_by_a_variable_too(tmp_path: Path) -> None:
    text = 'cmd_create="kubectl -n shop create"\neval "${cmd_create}" configmap web --from-file=a\n'
    (tmp_path / "a.sh").write_text(text, encoding="utf-8")

    assert Mentions(tmp_path, {}).creates() == {"ConfigMap web": tmp_path / "a.sh"}
