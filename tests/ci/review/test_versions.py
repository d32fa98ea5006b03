"""A promotion's comment: which version replaces which, where, with its commits."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ci.review.changes import ResourceChange
from ci.review.versions import NewVersion, new_versions, with_commits
from treecheck.model import Origin, Part, Resource

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

IMAGE = "registry.example.com/coworking"


class Made(NamedTuple):
    """A repository, and its commits, the oldest first."""

    folder: Path
    commits: list[str]

    def tag(self, index: int) -> str:
        return f"{index + 1}-{self.commits[index][:8]}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("versions")

    def git(*words: str) -> str:
        who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
        command = ["git", *who, *words]
        return subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True
        ).stdout.strip()

    git("init", "--quiet", "--template=")
    commits = []
    for number, name in enumerate(("apps/coworking/a", "apps/coworking/a", "docs/b", "docs/c")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(str(number), encoding="utf-8")
        git("add", ".")
        git("commit", "--quiet", "-m", f"Change {number}")
        commits.append(git("rev-parse", "HEAD"))
    return Made(folder, commits)


def change(before: dict[str, Any], after: dict[str, Any]) -> ResourceChange:
    resource = Resource(after, Part("prod", "prod"), Origin(None, 1))
    return ResourceChange("Deployment shop/web", before, after, resource)


def deployment(image: str, replicas: int = 2) -> dict[str, Any]:
    return {"kind": "Deployment", "spec": {"replicas": replicas, "containers": [{"image": image}]}}


@pytest.mark.parametrize(
    ("after", "versions"),
    [
        (deployment(f"{IMAGE}:2"), [NewVersion("coworking", "1", "2")]),
        (deployment(f"{IMAGE}:2", replicas=3), []),
        (deployment("registry.example.com/redis:2"), []),
        (deployment(f"{IMAGE}@sha256:1"), []),
    ],
)
def test_only_a_change_of_tags_alone_is_a_new_version(
    after: dict[str, Any], versions: list[NewVersion]
) -> None:
    assert new_versions([change(deployment(f"{IMAGE}:1"), after)]) == versions


def test_an_image_of_somebody_else_is_not_a_version_of_ours() -> None:
    before, after = (deployment(f"registry.example.com/redis:{tag}") for tag in (1, 2))
    assert new_versions([change(before, after)]) == []


def test_a_version_has_the_commits_of_its_source(made: Made) -> None:
    version = with_commits(NewVersion("coworking", made.tag(0), made.tag(3)), made.folder)

    assert version.commits == [f"{made.commits[1][:8]} Change 1 (Ann)"]
    assert version.why == "What is new, from `apps/coworking`:"


def test_going_back_lists_what_is_taken_out(made: Made) -> None:
    version = with_commits(NewVersion("coworking", made.tag(3), made.tag(0)), made.folder)

    assert version.commits == [f"{made.commits[1][:8]} Change 1 (Ann)"]
    assert version.why.startswith("It goes back.")


@pytest.mark.parametrize("tag", ["manual-v1.0.0", "9-ffffffff"])
def test_a_tag_without_a_known_commit_is_said_to_be_unknown(made: Made, tag: str) -> None:
    version = with_commits(NewVersion("coworking", made.tag(0), tag), made.folder)

    assert version.commits == []
    assert version.why == f"The commit behind `{tag}` is not known here."
