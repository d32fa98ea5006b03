"""What is rendered, and for how long it is kept."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from treecheck import rendering
from treecheck.rendering import Rendered, cache_folder, items, render, unrendered

HEAD = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '%s'}\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An overlay of a base with one ConfigMap; nothing is kept yet."""
    monkeypatch.setenv("TREECHECK_CACHE_DIR", str(tmp_path / "cache"))
    for name, text in {
        "base/kustomization.yaml": f"{HEAD}resources: [a.yaml]\n",
        "base/a.yaml": CONFIG % 1,
        "top/kustomization.yaml": f"{HEAD}resources: [../base]\n"
        "configMapGenerator: [{name: made, files: [text]}]\n",
        "top/text": "one",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / "top"


def write(file: Path, text: str) -> None:
    """As an editor does within the same moment: the size may be the same, the time is not."""
    before = file.stat().st_mtime_ns
    file.write_text(text, encoding="utf-8")
    os.utime(file, ns=(before + 1, before + 1))


def data(folder: Path) -> list[str]:
    return [next(iter(each.body["data"].values())) for each in render(folder)]


def test_each_manifest_knows_its_file_and_whether_a_generator_made_it(folder: Path) -> None:
    given, made = render(folder)

    base = folder.parent / "base"
    assert given == Rendered(given.body, base / "a.yaml", generated=False)
    assert given.body["metadata"] == {"name": "a"}
    assert made == Rendered(made.body, folder / "kustomization.yaml", generated=True)


def test_what_is_kept_is_not_rendered_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = render(folder)
    monkeypatch.setattr("treecheck.kustomize.render", None)
    assert render(folder) == first


@pytest.mark.parametrize("changed", ["base/a.yaml", "top/text", "top/kustomization.yaml"])
def test_a_change_of_any_file_that_it_reads_is_seen(folder: Path, changed: str) -> None:
    """A file of a base, one that only a generator reads, and the kustomization itself."""
    assert data(folder) == ["1", "one"]
    text = {
        "base/a.yaml": CONFIG % 2,
        "top/text": "two",
        "top/kustomization.yaml": f"{HEAD}resources: [../base]\n",
    }
    write(folder.parent / changed, text[changed])
    assert (
        data(folder)
        == {
            "base/a.yaml": ["2", "one"],
            "top/text": ["1", "two"],
            "top/kustomization.yaml": ["1"],
        }[changed]
    )


def test_another_kustomize_renders_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render(folder)
    monkeypatch.setattr("importlib.metadata.version", lambda _: "0")
    render(folder)
    assert len(list((folder.parent / "cache").glob("*.json"))) == 2


def test_the_newest_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "KEPT", 2)
    kept = folder.parent / "cache"
    for number in range(4):
        write(folder / "text", str(number))
        render(folder)
        for file in kept.glob("*.json"):
            stat = file.stat()
            os.utime(file, (stat.st_atime, stat.st_mtime - 10))
    texts = [json.loads(file.read_text())[1][0]["data"]["text"] for file in kept.glob("*.json")]
    assert sorted(texts) == ["2", "3"]


def test_what_is_kept_and_can_not_be_read_is_rendered_again(folder: Path) -> None:
    first = render(folder)
    for file in (folder.parent / "cache").glob("*.json"):
        file.write_text("{", encoding="utf-8")
    assert render(folder) == first


def test_without_a_folder_to_keep_it_in_it_is_rendered_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREECHECK_CACHE_DIR", "/dev/null/cache")
    assert data(folder) == ["1", "one"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"TREECHECK_CACHE_DIR": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/treecheck"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/ann/.cache/treecheck"),
        ({}, "/home/ann/.cache/treecheck"),
    ],
)
def test_it_is_kept_where_the_user_keeps_such_things(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("TREECHECK_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"HOME": "/home/ann"} | variables).items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)


def test_nothing_is_fetched_and_the_rest_is_rendered(folder: Path) -> None:
    address = "https://example.com/upstream.yaml"
    write(
        folder / "kustomization.yaml",
        f"{HEAD}resources: [../base, b.yaml, '{address}']\npatches: [{{path: patch.yaml}}]\n",
    )
    (folder / "b.yaml").write_text((CONFIG % 3).replace("name: a", "name: b"), encoding="utf-8")
    (folder / "patch.yaml").write_text(CONFIG % 4, encoding="utf-8")

    assert unrendered(folder) == {address: ""}
    assert data(folder) == ["4", "3"]


def test_the_manifests_of_a_list_are_its_items() -> None:
    one, other = {"kind": "A"}, {"kind": "B"}
    assert items({"kind": "List", "items": [one, "text", other]}) == [one, other]
    assert items({"kind": "PodList", "items": [one]}) == [one]
    assert items({"kind": "Menu", "items": [one]}) == [{"kind": "Menu", "items": [one]}]
    assert items({"kind": "List"}) == [{"kind": "List"}]
    assert items("text") == []


@pytest.mark.parametrize("text", ["x" * 256, "é" * 200, "a/" * 5000, "a\0b", "", ".", "https://x"])
def test_a_text_that_can_not_be_a_path_is_read_as_a_text(folder: Path, text: str) -> None:
    """A long literal ended the check: the file system has no place for such a name."""
    literals = json.dumps([f"A={text}", "B=text"])
    write(folder / "kustomization.yaml", f"configMapGenerator: [{{name: a, literals: {literals}}}]")
    read = rendering.read_kustomization(folder)
    assert read is not None
    assert (read.files, read.folders) == ((folder / "text",), ())


def test_a_file_with_the_longest_name_is_read(folder: Path) -> None:
    file = folder / ("x" * 255)
    file.touch()
    write(folder / "kustomization.yaml", f"configMapGenerator: [{{name: a, files: [{file.name}]}}]")
    read = rendering.read_kustomization(folder)
    assert read is not None
    assert read.files == (file,)


def test_a_kustomization_is_read_once_while_reading_once_is_open(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    load = rendering.load_text
    monkeypatch.setattr(rendering, "load_text", lambda path: read.append(str(path)) or load(path))

    with rendering.reading_once():
        rendering.closure(folder)
        with rendering.reading_once():
            rendering.closure(folder)
        rendering.closure(folder)
    once = [*read]
    rendering.closure(folder)

    assert once
    assert sorted(set(once)) == sorted(once)
    assert len(read) == 2 * len(once)
