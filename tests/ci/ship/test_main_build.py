"""Which build of main is written back, by what CodeBuild says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ci.errors import InputError
from ci.ship import main_build
from ci.ship.main_build import MainBuild, find

if TYPE_CHECKING:
    from collections.abc import Callable

COMMIT = "1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c"
PROJECT = "coworking"


def build(name: str, status: str = "SUCCEEDED", **more: Any) -> dict[str, Any]:
    return {
        "id": f"{PROJECT}:{name}",
        "projectName": PROJECT,
        "buildStatus": status,
        "buildNumber": 57,
        "resolvedSourceVersion": COMMIT,
    } | more


class CodeBuild:
    """CodeBuild with these builds, newest first; it answers about a hundred at once, not in order.

    https://docs.aws.amazon.com/codebuild/latest/APIReference/API_BatchGetBuilds.html
    """

    def __init__(self, builds: list[dict[str, Any]]) -> None:
        self.builds = {each["id"]: each for each in builds}
        self.asked: list[list[str]] = []

    def list_builds_for_project(self, **asked: str) -> dict[str, Any]:
        assert asked == {"projectName": PROJECT, "sortOrder": "DESCENDING"}
        return {"ids": list(self.builds)}

    def batch_get_builds(self, *, ids: list[str]) -> dict[str, Any]:
        assert 0 < len(ids) <= 100
        self.asked.append(ids)
        return {"builds": [self.builds[name] for name in sorted(ids) if name in self.builds]}


@pytest.fixture
def codebuild(monkeypatch: pytest.MonkeyPatch) -> Callable[..., CodeBuild]:
    def having(*builds: dict[str, Any]) -> CodeBuild:
        there = CodeBuild(list(builds))

        def client(service: str, region: str) -> CodeBuild:
            assert (service, region) == ("codebuild", "us-east-1")
            return there

        monkeypatch.setattr(main_build, "client", client)
        return there

    return having


def test_the_newest_that_succeeded_is_written_back(codebuild: Callable[..., CodeBuild]) -> None:
    codebuild(
        build("c", "IN_PROGRESS"),
        build("b", buildNumber=58),
        build("a", buildNumber=59),  # older, whatever its number
    )
    found = find("", PROJECT, "us-east-1")
    assert found == MainBuild("coworking:b", "58", COMMIT)
    assert found.tag == "58-1f2e3d4c"


def test_a_hundred_are_looked_at(codebuild: Callable[..., CodeBuild]) -> None:
    failed = [build(f"f{number}", "FAILED") for number in range(99)]
    there = codebuild(*failed, build("last"), *(build(f"z{number}") for number in range(9)))
    assert find("", PROJECT, "us-east-1").identity == "coworking:last"
    assert [len(each) for each in there.asked] == [100]
    codebuild(*failed, build("f", "FAILED"), build("too-late"))
    with pytest.raises(InputError, match="no build of coworking has succeeded yet"):
        find("", PROJECT, "us-east-1")


def test_without_a_build_the_first_is_to_be_started(codebuild: Callable[..., CodeBuild]) -> None:
    there = codebuild()
    with pytest.raises(InputError, match="no build of coworking has succeeded yet") as raised:
        find("", PROJECT, "us-east-1")
    assert "start-build --region us-east-1 --project-name coworking" in raised.value.hint
    assert there.asked == []


@pytest.mark.parametrize(
    "identity",
    ["coworking:b", "arn:aws:codebuild:us-east-1:123456789012:build/coworking:b"],
)
def test_a_named_build_is_that_one(codebuild: Callable[..., CodeBuild], identity: str) -> None:
    there = codebuild(build("c"), build("b", buildNumber=56))
    assert find(identity, PROJECT, "us-east-1") == MainBuild("coworking:b", "56", COMMIT)
    assert there.asked == [["coworking:b"]]


@pytest.mark.parametrize(
    ("identity", "there", "sentence"),
    [
        ("other:b", build("b"), "is other:b, which is not a build of coworking; nothing was"),
        ("coworking:x", build("b"), "CodeBuild has no build coworking:x; nothing was written"),
        ("coworking:b", build("b", "FAILED"), "coworking:b of coworking is FAILED; only a build"),
        ("coworking:b", build("b", "IN_PROGRESS"), "of coworking is IN_PROGRESS"),
        ("coworking:b", build("b", projectName="o"), "coworking:b of o is SUCCEEDED; only a build"),
        ("coworking:b", build("b", resolvedSourceVersion="main"), "built 'main', which is not a"),
        ("coworking:b", build("b", resolvedSourceVersion=f"{COMMIT}0"), "which is not a commit"),
        ("coworking:b", build("b", resolvedSourceVersion=""), "built '', which is not a commit"),
    ],
)
def test_what_can_not_be_trusted_is_not_written_back(
    codebuild: Callable[..., CodeBuild], identity: str, there: dict[str, Any], sentence: str
) -> None:
    codebuild(there)
    with pytest.raises(InputError, match=sentence):
        find(identity, PROJECT, "us-east-1")
