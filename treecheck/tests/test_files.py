"""Which files of a tree are read, and what ends the reading."""

from __future__ import annotations

from pathlib import Path

import pytest

from treecheck.engine import check
from treecheck.errors import InputError
from treecheck.facts import Facts
from treecheck.files import git_root, kustomization_file, line_of, load_text, yaml_files
from treecheck.inputs import gather
from treecheck.reading import MAX_BYTES


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("a: 1\n", encoding="utf-8")


def test_the_yaml_files_of_a_tree_come_in_order_and_hidden_folders_do_not(tmp_path: Path) -> None:
    make(tmp_path, "b.yml", "a.yaml", "Kustomization", "notes.txt", "z/c.yaml", "y/d.yaml")
    make(tmp_path, ".git/e.yaml", "node_modules/f.yaml", "__pycache__/g.yaml", "venv/h.yaml")

    assert [each.relative_to(tmp_path).as_posix() for each in yaml_files(tmp_path)] == [
        "Kustomization",
        "a.yaml",
        "b.yml",
        "y/d.yaml",
        "z/c.yaml",
    ]


def test_what_is_ignored_is_a_path_or_has_wildcards(tmp_path: Path) -> None:
    make(tmp_path, "a.yaml", "x/a.yaml", "x/b.yaml", "y/a.yaml")

    kept = [
        [each.relative_to(tmp_path).as_posix() for each in yaml_files(tmp_path, [pattern])]
        for pattern in ("x/", "a.yaml", "*/a.yaml")
    ]
    assert kept == [
        ["a.yaml", "y/a.yaml"],
        ["x/a.yaml", "x/b.yaml", "y/a.yaml"],
        ["a.yaml", "x/b.yaml"],
    ]


def test_a_file_of_the_largest_size_is_read_and_a_larger_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"#" * MAX_BYTES)
    assert len(load_text(file)) == MAX_BYTES

    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(InputError, match=f"is larger than {MAX_BYTES >> 20} MiB"):
        load_text(file)


def test_utf_16_is_read_and_other_bytes_are_named_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    for encoding in ("utf-16-le", "utf-16-be"):
        file.write_bytes("\ufeffa: 1".encode(encoding))
        assert load_text(file) == "a: 1"
        file.unlink()
    file.write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(InputError, match=r"a\.yaml.*2.*not UTF-8"):
        load_text(file)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml does not exist"):
        load_text(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="can't be read: Is a directory"):
        load_text(tmp_path)


@pytest.mark.parametrize("name", ["kustomization.yaml", "kustomization.yml", "Kustomization"])
def test_a_kustomization_has_three_names(tmp_path: Path, name: str) -> None:
    assert kustomization_file(tmp_path) is None
    make(tmp_path, name)
    assert kustomization_file(tmp_path) == tmp_path / name


def test_the_nearest_work_tree_is_found(tmp_path: Path) -> None:
    make(tmp_path, "a/.git/config", "a/b/c/d.yaml")
    assert git_root(tmp_path / "a/b/c") == tmp_path / "a"
    assert git_root(tmp_path / "a") == tmp_path / "a"
    assert git_root(Path("/")) is None


def test_the_line_of_a_name_is_its_first_and_counts_from_one(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("x: 1\nweb: 2\nweb: 3\n", encoding="utf-8")
    assert [line_of(file, name) for name in ("x", "web", "none", "")] == [1, 2, 1, 1]


def test_a_link_to_nothing_is_called_one(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("/nowhere/web.yaml")

    (found,) = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32)).findings

    assert found.message == "it is a link to /nowhere/web.yaml, which is not there"
    assert Path(found.file).name == "a.yaml"
