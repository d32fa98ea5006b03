"""Renovate finds every pinned version of the tree: .github/renovate.json, checked against the pins.

What a manager of Renovate reads is written here as its documentation has it:
https://docs.renovatebot.com/modules/manager/.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FILE = ".github/renovate.json"
CONFIG: dict[str, Any] = json.loads((ROOT / FILE).read_text(encoding="utf-8"))

# A place with a pin, and how a pin looks there. `pin` is the text that an update has to change.
# Left out: the tests' own worlds, the locks (below), and CodeBuild's image, for which AWS offers no
# list that Renovate reads.
PLACES = {
    r"((argocd|base|overlays|infra|docs)/.+|README)\.(md|ya?ml)": [
        r"https://\S+/(?P<pin>v\d+\.\d+\.\d+)/"
    ],
    r"(.+/)?Dockerfile": [r"(?m)^(?:ARG \w+=|FROM )\S+?:(?P<pin>\d[\w.-]*(?:@sha256:[0-9a-f]+)?)$"],
    r"(base|overlays|argocd)/.+\.yaml": [
        r"(?m)^\s*(?:newTag|digest): \"?(?P<pin>[\w.:-]+)\"?$",
        r"(?m)^\s*(?:- )?image: \"?\S+?:(?P<pin>[\w.-]+)\"?$",
    ],
    r"tests/docker/compose\.yaml": [r"(?m)^\s*image: \S+:(?P<pin>\d[\w.-]*)\}?$"],
    r"ci/.+\.py": [r"(?m)^(?:[A-Z_]+ =|    \"[\d.]+\":) \"[\w/.-]+:(?P<pin>v?\d[\w.-]*)\""],
    r"\.pre-commit-config\.yaml": [r"(?m)^\s*rev: (?P<pin>\S+)$"],
    r"\.github/(workflows|actions)/.+\.ya?ml": [r"uses: \S+@(?P<pin>\S+)"],
}
# What Renovate's own managers read: file, manager, and the text around a pin.
MANAGERS = {
    "dockerfile": (r"(.+/)?Dockerfile", PLACES[r"(.+/)?Dockerfile"][0]),
    "docker-compose": (
        r"(.+/)?(docker-)?compose[^/]*\.ya?ml",
        PLACES[r"tests/docker/compose\.yaml"][0],
    ),
    "kustomize": (
        r"(.+/)?kustomization\.ya?ml",
        r"(?m)^\s*(?:newTag|digest): \"?(?P<pin>[\w.:-]+)\"?$",
    ),
    "pre-commit": (r"(.+/)?\.pre-commit-config\.ya?ml", r"(?m)^\s*rev: (?P<pin>\S+)$"),
    "github-actions": (r"\.github/(workflows|actions)/.+\.ya?ml", r"uses: \S+@(?P<pin>\S+)"),
}
# Of `uv pip compile`, what the manager pip-compile accepts in a lock's header (Renovate 44).
FLAGS = {"--universal", "--generate-hashes"}
OPTIONS = {"--python-version", "--constraints", "--output-file"}

Pin = tuple[str, int, str]  # file, where the pin begins in its text, the pin


def files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    ignored = CONFIG["ignorePaths"]
    return [
        name
        for name in listed
        if (ROOT / name).is_file() and not any(fnmatch(name, pattern) for pattern in ignored)
    ]


def pins(name: str, patterns: list[str], group: str = "pin") -> set[Pin]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return {
        (name, match.start(group), match[group])
        for pattern in patterns
        for match in re.finditer(pattern, text)
    }


def python(pattern: str) -> str:
    """A regular expression of JavaScript, as Python writes it."""
    return pattern.replace("(?<", "(?P<")


def found_by_renovate(config: dict[str, Any]) -> set[Pin]:
    """The pins that the configured managers read."""
    found: set[Pin] = set()
    for name in files():
        for manager in config["enabledManagers"]:
            where, pattern = MANAGERS.get(manager, ("", ""))
            if where and re.fullmatch(where, name):
                found |= pins(name, [pattern])
        for custom in config["customManagers"]:
            if any(re.search(each.strip("/"), name) for each in custom["managerFilePatterns"]):
                found |= pins(name, list(map(python, custom["matchStrings"])), "currentValue")
    return found


def unfound(config: dict[str, Any]) -> list[str]:
    there = {
        pin
        for name in files()
        for where, patterns in PLACES.items()
        if re.fullmatch(where, name)
        for pin in pins(name, patterns)
    }
    assert len(there) >= 12, "the patterns of this test find fewer pins than there are"
    return [f"{name}: {pin}" for name, _, pin in sorted(there - found_by_renovate(config))]


def test_every_pin_is_found_by_a_manager() -> None:
    left = unfound(CONFIG)
    assert not left, (
        f"Renovate would never move these pins. Add an entry to customManagers of {FILE}, or the"
        " manager that reads such files to enabledManagers:\n" + "\n".join(left)
    )


@pytest.mark.parametrize("manager", CONFIG["enabledManagers"])
def test_no_manager_is_enabled_for_nothing(manager: str) -> None:
    """Without it, some pin would be found by nobody."""
    if manager == "pip-compile":  # it reads the locks, below
        return
    config = CONFIG | {
        "enabledManagers": [each for each in CONFIG["enabledManagers"] if each != manager],
        "customManagers": [] if manager == "custom.regex" else CONFIG["customManagers"],
    }
    assert unfound(config)


@pytest.mark.parametrize("number", range(len(CONFIG["customManagers"])))
def test_each_custom_manager_finds_what_nothing_else_does(number: int) -> None:
    managers = CONFIG["customManagers"]
    assert unfound(CONFIG | {"customManagers": managers[:number] + managers[number + 1 :]})


def test_the_deployed_version_is_left_to_the_pipeline() -> None:
    images = sorted((ROOT / "overlays").glob("*/*/image/kustomization.yaml"))
    assert images
    assert not {each.relative_to(ROOT).as_posix() for each in images} & set(files())


LOCKS = [name for name in files() if re.search(r"(^|/)requirements[^/]*\.txt$", name)]


def test_every_lock_and_nothing_else_is_a_lock_to_renovate() -> None:
    (pattern,) = CONFIG["pip-compile"]["managerFilePatterns"]
    assert [name for name in files() if re.search(pattern.strip("/"), name)] == LOCKS
    asked = {name for name in files() if re.search(r"(^|/)requirements[^/]*\.in$", name)}
    assert {name.removesuffix("txt") + "in" for name in LOCKS} == asked


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_the_command_that_made_it(lock: str) -> None:
    """The manager pip-compile runs this line again, and refuses options that it doesn't know."""
    first, second = (ROOT / lock).read_text(encoding="utf-8").splitlines()[:2]
    assert first.startswith("#")
    assert second.startswith("#    uv pip compile "), f"{lock} has no header: run `make lock`"
    words = shlex.split(second.removeprefix("#    uv pip compile "))
    options = dict(word.split("=", 1) for word in words if word.startswith("--") and "=" in word)
    flags = {word for word in words if word.startswith("--") and "=" not in word}
    sources = [word for word in words if not word.startswith("-")]
    assert flags <= FLAGS
    assert set(options) <= OPTIONS
    assert options["--output-file"] == lock
    assert sources == [lock.removesuffix("txt") + "in"]
    for name in (*sources, options.get("--constraints", lock)):
        assert (ROOT / name).is_file()
