"""The changes of one line, and the whole command in a small repository."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.mutants.edits import candidates, edits
from bench.mutants.rooms import ALL, draw

ROOT = Path(__file__).parents[2]
MODULE = '''\
"""Limits."""


def few(items: list[int]) -> bool:
    return len(items) < 3


def first(items: list[int]) -> int:
    return sorted(items)[0]


def unused() -> bool:
    return True


def ends(number: int) -> int:
    while number < 9:
        number += 4
    return number
'''
TESTS = """\
from ci.version.limits import ends, few, first


def test_three_are_not_few():
    assert few([1, 2])
    assert not few([1, 2, 3])


def test_the_first_is_an_item():
    assert first([1]) == 1


def test_it_ends():
    assert ends(1) == 9
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", ["<="]),
        ("x = a not in b", ["in"]),
        ("x = a is  not b", ["is"]),
        ("x = (a) == 'b'", ["!=", "x"]),
        ("x = a and b", ["or"]),
        ("x = not (a and b)", ["", "or"]),
        ("x = a + b", ["-"]),
        ("x = a << b", [">>"]),
        ("x = a ^ b @ c", []),
        ("x = rows[:7]", ["6", "8"]),
        ("x = True", ["False"]),
        ("if ready(): y()", ["not (ready())", "pass"]),
        ("def f():\n    return a", ["None"]),
        ("for x in y:\n    break", ["continue"]),
        ("x = f(a, b)", ["b, a"]),
        ("x = f(a, limit=b)", [""]),
        ("x = max(y)", ["min"]),
        ("x = sorted(y, reverse=True)", ["", "False", "list"]),
        ("x = {'A': a, 'B': b}", ["", ""]),
        ("x = {'ACTIVE', 'DONE'}", ["", ""]),
        ("raise E(a + b, c)", ["pass"]),
        ("rows.append(a)", ["pass"]),
        ("@option(default=limit)\ndef f(): ...", [""]),
    ],
)
def test_it_changes_what_a_test_should_notice(source: str, expected: list[str]) -> None:
    assert sorted(each.new for each in edits(source.encode())) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""A text."""',
        "x: dict[int, Literal[1, 2]]",
        "def f(x: Literal[1]) -> Literal[2]: ...",
        "if TYPE_CHECKING:\n    import a",
        "if __name__ == '__main__':\n    main()",
        "__all__ = ['a', 'b']",
        "log.info(text)",
        "x = f'{a + 1} of {b}'",
        "x = f(help='a', timeout=3)",
        "TIMEOUT = 30",
        "sleep(3)",
        "SHORT = timedelta(minutes=1)",
        "@dataclass(frozen=True)\nclass A: ...",
        "x = isinstance(a, b)",
        "assert a < b",
        "x = 'a' 'b' + 'c'",
    ],
)
def test_it_leaves_what_no_test_should_notice(source: str) -> None:
    assert edits(source.encode()) == []


def test_a_change_is_one_place_and_is_shown_on_one_line() -> None:
    source = "x = sorted(\n    rows,  # ä\n    key=name,\n)\n".encode()
    (edit,) = [each for each in edits(source) if each.new == ""]
    assert edit.apply(source).decode() == "x = sorted(\n    rows,  # ä\n    \n)\n"
    assert (edit.line, edit.shown(source)) == (3, "key=name, -> nothing")


def test_the_same_seed_draws_the_same() -> None:
    drawn = draw(ROOT, ["version"], 5, 1)
    assert drawn == draw(ROOT, ["version"], 5, 1)
    assert drawn != draw(ROOT, ["version"], 5, 2)


@pytest.mark.parametrize("room", ALL)
def test_every_room_has_modules_to_change_and_tests_to_ask(room: str) -> None:
    files = ALL[room].files(ROOT)
    assert sum(len(candidates((ROOT / file).read_bytes())) for file in files) > 300
    assert all(list((ROOT / folder).glob("test_*.py")) for folder in ALL[room].tests)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one module in one room, and its tests."""
    for path, text in {
        "ci/__init__.py": "",
        "ci/version/limits.py": MODULE,
        "tests/ci/version/test_limits.py": TESTS,
        "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\n",
        ".gitignore": ".local\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    name = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for words in (("init", "-q"), ("add", "--all"), (*name, "commit", "-q", "-m", "First")):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return tmp_path


def mutants(tree: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", "mutants", "--workers", "1", *words],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.thorough
def test_it_reports_what_is_noticed_and_what_survives(tree: Path) -> None:
    done = mutants(tree, *(f"--at=ci/version/limits.py:{line}" for line in (9, 13)))
    assert done.stderr == ""
    assert done.stdout.splitlines()[:-2] == [
        "SURVIVED  ci/version/limits.py:9  sorted -> list",
        "          1 tests run this line and pass",
        "noticed   ci/version/limits.py:9  sorted(items)[0] -> None",
        "          tests/ci/version/test_limits.py::test_the_first_is_an_item",
        "noticed   ci/version/limits.py:9  0 -> 1",
        "          tests/ci/version/test_limits.py::test_the_first_is_an_item",
        "SURVIVED  ci/version/limits.py:13  True -> False",
        "          no test runs this line",
        "SURVIVED  ci/version/limits.py:13  True -> None",
        "          no test runs this line",
        "",
        "  version     2 of    5   40.0 %",
        "",
        "  BROKEN  noticed of 5 mutants, %: 40 (>= 85)",
    ]
    assert done.returncode == 1
    assert (tree / "ci/version/limits.py").read_text() == MODULE
    changed = subprocess.check_output(["git", "status", "--porcelain"], cwd=tree)
    assert changed == b""


@pytest.mark.thorough  # the whole bench once more; its first test here runs it in `make test`
def test_a_change_that_never_ends_is_noticed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUTANTS_SECONDS", "1")
    done = mutants(tree, "--at=ci/version/limits.py:18")
    assert "noticed   ci/version/limits.py:18  number += 4 -> pass\n" in done.stdout
    assert "          no end after 1 s\n" in done.stdout


@pytest.mark.thorough  # the whole bench once more; its first test here runs it in `make test`
def test_a_test_that_fails_by_itself_notices_nothing(tree: Path) -> None:
    file = tree / "tests/ci/version/test_limits.py"
    file.write_text(f"{TESTS}\n\ndef test_it_fails():\n    assert few([1, 2, 3])\n")
    done = mutants(tree, "--at=ci/version/limits.py:9")
    assert f"  {file.relative_to(tree)}: 1 tests fail on the unchanged tree, 3 pass" in done.stdout
    assert "SURVIVED  ci/version/limits.py:9  sorted -> list" in done.stdout


@pytest.mark.thorough  # the whole bench once more; its first test here runs it in `make test`
def test_a_test_that_is_too_slow_to_be_recorded_is_asked_all_the_same(tree: Path) -> None:
    file = tree / "tests/ci/version/test_limits.py"
    late = "import sys\n\ndef test_late():\n    few([1])\n    assert sys.gettrace() is None\n"
    file.write_text(
        f"{TESTS}\n\n{late}    from ci.version import limits\n    assert limits.unused()\n"
    )
    done = mutants(tree, "--at=ci/version/limits.py:13")
    assert "noticed   ci/version/limits.py:13  True -> False\n" in done.stdout
    assert "::test_late\n" in done.stdout
    assert "fail on the unchanged tree" not in done.stdout


@pytest.mark.thorough
def test_another_user_reaches_the_folders_of_a_test(tree: Path) -> None:
    """A PostgreSQL that root's tests start runs as one; these tests were left out as failing."""
    file = tree / "tests/ci/version/test_limits.py"
    reach = "import pathlib\nimport tempfile\n\ndef test_reach():\n    few([1])\n"
    own = "pathlib.Path(tempfile.gettempdir())"
    reach += f"    assert all(each.stat().st_mode & 1 for each in {own}.parents)\n"
    file.write_text(f"{TESTS}\n\n{reach}")
    done = mutants(tree, "--at=ci/version/limits.py:13")
    assert "fail on the unchanged tree" not in done.stdout
