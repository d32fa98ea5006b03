"""A repository with the tree's own pipeline in it, AWS by moto, and tools that can be broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ci.local.codebuild.finished import Finished, codebuild
from ci.local.codebuild.runner import Outcome, Runner
from ci.local.codebuild.spec import parse
from ci.tree import carried, settings
from tests.ci.local.codebuild import stand_ins

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[4]
OVERLAY = "overlays/dev/coworking/image/kustomization.yaml"
DATABASE_OVERLAY = "overlays/dev/postgres/image/kustomization.yaml"
ACCOUNT = "123456789012"  # moto's own
TOKEN = "t0ken-from-the-secret"
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Person",
    "GIT_AUTHOR_EMAIL": "person@example.org",
    "GIT_COMMITTER_NAME": "Person",
    "GIT_COMMITTER_EMAIL": "person@example.org",
}
DOCKER = """#!/bin/sh
echo "docker $*" >>"$CALLS"
[ "$1" != login ] || cat >/dev/null
[ "$BREAK" != "docker $1" ] || { echo "docker is broken" >&2; exit 1; }
"""
IMAGE_TEST = "import os\n\ndef test_it():\n    assert os.environ['BREAK'] != 'image'\n"


class World(NamedTuple):
    """A bare repository, the commit to build, where it is cloned to, and AWS."""

    remote: Path
    commit: str
    source: Path
    environment: dict[str, str]

    def git(self, *words: str) -> str:
        return git(self.remote, *words)

    def clone(self) -> None:
        """Clone the repository to `source`, with what Python has compiled of it already."""
        subprocess.run(["git", "clone", "-q", "--template=", self.remote, self.source], check=True)
        for file in (ROOT / "ci").rglob("*.py"):
            there = self.source / file.relative_to(ROOT)
            if there.exists():  # by its age and length Python knows what a compiled file is of
                os.utime(there, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
        for folder in list((ROOT / "ci").rglob("__pycache__")):
            # What another process is writing at this moment has a longer ending.
            unfinished = shutil.ignore_patterns("*.pyc.*")
            shutil.copytree(folder, self.source / folder.relative_to(ROOT), ignore=unfinished)

    def build(self, *, break_at: str = "", **changes: str) -> tuple[Outcome, str]:
        """Run the buildspec; returns the outcome and the log."""
        self.clone()
        return self.run(BREAK=break_at, **changes)

    def finished(self, *, succeeded: bool = True, **changes: Any) -> Finished:
        """What AWS knows of the build of main, once it has ended."""
        identity = self.environment["CODEBUILD_BUILD_ID"].partition(":")[2]
        number = int(self.environment["CODEBUILD_BUILD_NUMBER"])
        made = Finished("coworking", identity, number, self.commit, succeeded, {})
        return made._replace(**changes)

    def write_back(self, *builds: Finished, **changes: str) -> tuple[Outcome, str]:
        """Run the write-back on main's tip, where these are the builds that there were."""
        shutil.rmtree(self.source, ignore_errors=True)
        self.clone()
        with codebuild(*builds) as address:
            variables = {
                "AWS_ENDPOINT_URL_CODEBUILD": address,
                "MAIN_PROJECT": "coworking",
                "GIT_TOKEN_SECRET": stand_ins.SECRET,
            }
            return self.run("buildspec.write-back.yaml", **{**variables, **changes})

    def run(self, name: str = "buildspec.yaml", **changes: str) -> tuple[Outcome, str]:
        """Run a buildspec of what is cloned."""
        lines: list[str] = []
        spec = parse(self.source / "ci" / name)
        env = {**self.environment, **changes}
        outcome = Runner(spec, self.source, env, log=lines.append).run()
        return outcome, "\n".join(lines)

    def step(self, name: str) -> str:
        """Run one step of the buildspec alone, on what is cloned; it must succeed."""
        done = subprocess.run(
            [sys.executable, "-m", "ci", "pipeline", name],
            cwd=self.source,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def calls(self) -> list[str]:
        return Path(self.environment["CALLS"]).read_text().splitlines()


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", folder, *words],
        env=os.environ | GIT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="session")
def aws() -> Iterator[str]:
    """moto's address."""
    with stand_ins.aws() as address:
        yield address


@pytest.fixture(scope="session")
def first_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository with the tree's own pipeline, and a test of the image that can fail."""
    tree = tmp_path_factory.mktemp("tree")
    _copy_tree(tree, "base", "argocd", "infra")
    for folder in ("tests/docker", "tests/postgres_image"):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "test_image.py").write_text(IMAGE_TEST)
    return _commit(tree)


@pytest.fixture(scope="session")
def first_tree_with_image_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with the image's own tests, which need an engine."""
    tree = tmp_path_factory.mktemp("tree")
    _copy_tree(tree)
    shutil.copytree(ROOT / "tests/docker", tree / "tests/docker")
    shutil.copy(ROOT / "pyproject.toml", tree)
    return _commit(tree)


def _copy_tree(tree: Path, *more: str) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for part in ("ci", "overlays", "apps", *more):
        shutil.copytree(ROOT / part, tree / part, ignore=ignored)
    ours = settings.read()._replace(account=ACCOUNT, region="us-east-1", repository="coworking")
    carries = [(name, carried.carry) for name in (OVERLAY, DATABASE_OVERLAY)]
    for name, edit in (("settings.yaml", carried.edit_file), *carries):
        (tree / name).write_text(edit((ROOT / name).read_text(), ours))


def _commit(tree: Path) -> Path:
    remote = tree.with_name(f"{tree.name}.git")
    git(tree, "init", "-q", "-b", "main", ".")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "The tree")
    git(tree, "gc", "--quiet")  # a pack is copied and cloned faster than a thousand files
    git(tree, "clone", "-q", "--template=", "--bare", ".", str(remote))
    return remote


@pytest.fixture
def world(tmp_path: Path, aws: str, first_tree: Path) -> World:
    """What the pipeline's stack makes, and the tree's own pipeline on main of a repository."""
    made = _world(tmp_path, aws, first_tree, {"make": stand_ins.MAKE, "docker": DOCKER})
    # The test of the image is one line; finding pytest's plugins would take seconds.
    made.environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return made


@pytest.fixture
def tag(world: World, aws: str) -> str:
    """The tag of the build of main, whose image is in the registry."""
    name = f"57-{world.commit[:8]}"
    stand_ins.push_image(aws, name)
    return name


@pytest.fixture
def world_with_engine(tmp_path: Path, aws: str, first_tree_with_image_tests: Path) -> World:
    """The same with the image's own tests, for the engine that `docker` speaks to."""
    return _world(tmp_path, aws, first_tree_with_image_tests, {"make": stand_ins.MAKE})


def _world(tmp_path: Path, aws: str, first: Path, tools: dict[str, str]) -> World:
    stand_ins.make_stack(aws, TOKEN)
    remote = tmp_path / "remote.git"
    shutil.copytree(first, remote)
    commit = git(remote, "rev-parse", "main")
    path = stand_ins.write_tools(tmp_path / "tools", tools)
    environment = {
        **os.environ,
        **stand_ins.variables(aws, ACCOUNT),
        "PATH": f"{path}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "BREAK": "",
        "GIT_URL": f"file://{remote}",
        "CODEBUILD_BUILD_ID": "coworking:1f2e3d4c-5b6a-4798-881f-2e3d4c5b6a79",
        "CODEBUILD_BUILD_NUMBER": "57",
        "CODEBUILD_RESOLVED_SOURCE_VERSION": commit,
    }
    del environment["GIT_TOKEN_SECRET"]  # the project of main has no such variable
    return World(remote, commit, tmp_path / "src", environment)
