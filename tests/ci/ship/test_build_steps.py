"""Each step of a build by itself: what it asks of Docker, AWS and git, and in which order."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ci.aws.client import AwsError
from ci.errors import CommandError, InputError
from ci.ship import build_steps, image, main_build, signing
from ci.ship.build import Build
from ci.ship.build_steps import STEPS
from ci.ship.main_build import MainBuild
from ci.tree import settings
from ci.tree.overlays import ROOT
from ci.version.land import Landing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMMIT = "1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c"
ADDRESS = "123456789012.dkr.ecr.us-east-1.amazonaws.com/coworking"
VARIABLES = {
    "AWS_ACCOUNT_ID": "123456789012",
    "AWS_DEFAULT_REGION": "us-east-1",
    "IMAGE_REPO_NAME": "coworking",
    "CODEBUILD_BUILD_NUMBER": "57",
    "CODEBUILD_BUILD_ID": "coworking:1f2e",
    "CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT,
    "ARTIFACTS_BUCKET": "the-artifacts",
    "MAIN_PROJECT": "coworking",
    "GIT_TOKEN_SECRET": "coworking/git-token",
    "COMMENT_TOKEN_SECRET": "coworking/comment-token",
    "CODEBUILD_WEBHOOK_BASE_REF": "refs/heads/release/1",
}


def act(step: str, **variables: str) -> None:
    STEPS[step].act(Build(VARIABLES | variables))


class Registry:
    """ECR: which tags it has, and who asked it for what."""

    def __init__(self) -> None:
        self.tags: set[str] = set()
        self.asked: list[str] = []

    def __call__(self, repository: Any) -> Registry:
        self.asked.append(repository.address)
        return self

    def log_in(self) -> None:
        self.asked.append("log in")

    def digest(self, tag: str) -> str | None:
        return "sha256:1" if tag in self.tags else None


@pytest.fixture
def ecr(monkeypatch: pytest.MonkeyPatch) -> Registry:
    registry = Registry()
    monkeypatch.setattr(build_steps, "Ecr", registry)
    return registry


@pytest.fixture
def pushed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(build_steps, "push", names.append)
    return names


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[Any]]:
    """Let the programs that a step runs end with a status; returns what is run."""

    def with_status(status: int) -> list[Any]:
        calls: list[Any] = []

        def execute(words: list[str], **more: Any) -> Any:
            calls.append((words, more))
            return SimpleNamespace(status=status, stdout="said", stderr=b"why\xff", shown="it")

        monkeypatch.setattr(build_steps, "execute", execute)
        return calls

    return with_status


def test_the_tag_is_printed_for_the_other_build(capsys: pytest.CaptureFixture[str]) -> None:
    act("tag")
    assert capsys.readouterr().out == "57-1f2e3d4c\n"


def test_only_ecr_needs_a_login(ecr: Registry) -> None:
    act("login", PUSH_REGISTRY="127.0.0.1:5000")
    assert ecr.asked == []
    act("login")
    assert ecr.asked == [ADDRESS, "log in"]


@pytest.mark.parametrize("status", [0, 1])
def test_the_layers_of_the_newest_image_are_the_cache_where_there_is_one(
    ends: Callable[[int], list[Any]], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    pulled = ends(status)
    built: list[Any] = []
    monkeypatch.setattr(image, "build", lambda names, **more: built.append((names, more)))

    act("build", BASE_IMAGE="base:1", IMAGE="postgres")

    latest = f"{ADDRESS}-postgres:latest"
    assert [words for words, _ in pulled] == [["docker", "pull", "--quiet", latest]]
    ((names, more),) = built
    assert names == [f"{ADDRESS}-postgres:{tag}" for tag in ("57-1f2e3d4c", "57", COMMIT, "latest")]
    assert more == {
        "number": "57",
        "commit": COMMIT,
        "source": "apps/postgres",
        "base": "base:1",
        "options": [
            *(["--cache-from", latest] if status == 0 else []),
            *("--build-arg", "BUILDKIT_INLINE_CACHE=1"),
        ],
    }


def test_an_image_that_passes_its_tests_goes_on(
    ends: Callable[[int], list[Any]],
) -> None:
    calls = ends(0)
    act("test-image")
    ((words, more),) = calls
    assert words[5] == "tests/docker"
    assert more["env"]["COWORKING_IMAGE"] == f"{ADDRESS}:57-1f2e3d4c"


def test_a_failing_test_of_the_image_ends_the_build(
    ends: Callable[[int], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    calls = ends(1)
    with pytest.raises(CommandError, match="why"):
        act("test-image", IMAGE="postgres")
    ((words, more),) = calls
    assert words == [
        *(sys.executable, "-m", "pytest", "-q", "-rs", "tests/postgres_image"),
        "--junitxml=reports/image.xml",
    ]
    assert more["cwd"] == ROOT
    assert more["env"]["COWORKING_POSTGRES_IMAGE"] == f"{ADDRESS}-postgres:57-1f2e3d4c"
    assert more["env"]["PATH"] == os.environ["PATH"]
    assert "said" in capsys.readouterr().out


def test_the_tag_of_the_commit_stays_at_its_first_build(ecr: Registry, pushed: list[str]) -> None:
    ecr.tags = {COMMIT, "57"}
    act("push")
    assert pushed == [f"{ADDRESS}:{tag}" for tag in ("57-1f2e3d4c", "57", "latest")]


@pytest.mark.parametrize("registry", ["", "127.0.0.1:5000"])
def test_a_first_build_pushes_every_tag_and_latest_last(
    ecr: Registry, pushed: list[str], registry: str
) -> None:
    ecr.tags = {COMMIT} if registry else set()  # another registry than ECR isn't asked
    act("push", PUSH_REGISTRY=registry)
    address = f"{registry}/coworking" if registry else ADDRESS
    assert pushed == [f"{address}:{tag}" for tag in ("57-1f2e3d4c", "57", COMMIT, "latest")]
    assert bool(ecr.asked) is not bool(registry)


def test_the_definition_is_stored_under_the_build_and_names_the_container(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored: list[Any] = []

    def client(service: str, region: str) -> Any:
        assert (service, region) == ("s3", "us-east-1")
        return SimpleNamespace(put_object=lambda **what: stored.append(what))

    monkeypatch.setattr(build_steps, "client", client)
    act("publish", IMAGE="postgres")
    named = {"name": "postgresql", "imageUri": f"{ADDRESS}-postgres:57-1f2e3d4c"}
    assert stored == [
        {
            "Bucket": "the-artifacts",
            "Key": "coworking/57-1f2e3d4c/imagedefinitions.json",
            "Body": json.dumps([named]).encode(),
            "ContentType": "application/json",
        }
    ]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What is written back, of the build that CodeBuild describes."""
    calls: list[dict[str, Any]] = []

    def find(identity: str, project: str, region: str) -> MainBuild:
        calls.append({"find": (identity, project, region)})
        return MainBuild("coworking:9", "58", COMMIT)

    def set_image(**options: Any) -> Landing:
        calls.append(options | {"token": os.environ.get("GIT_TOKEN")})
        return Landing("pushed", 1, "tip", "57-0a1b2c3d", "58-1f2e3d4c")

    @contextlib.contextmanager
    def configuration(signer: str, name: str, region: str) -> Iterator[Path | None]:
        calls.append({"sign": (signer, name, region)})
        yield Path("settings") if name else None

    monkeypatch.setattr(main_build, "find", find)
    monkeypatch.setattr(signing, "configuration", configuration)
    monkeypatch.setattr(build_steps, "set_image", set_image)
    monkeypatch.setattr(build_steps, "secret", lambda name, region: f"{name} of {region}")
    monkeypatch.setenv("GIT_TOKEN", "")
    return calls


def test_the_tag_of_the_newest_build_is_written_to_dev(
    ecr: Registry, written: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    ecr.tags = {"58-1f2e3d4c"}
    act("write-back")
    found, signs, options = written
    configured = settings.read()
    assert found == {"find": ("", "coworking", "us-east-1")}
    assert signs == {"sign": (configured.signer, "", "us-east-1")}
    progress = options.pop("progress")
    assert (progress.attempts, progress.tip) == (0, None)
    assert options == {
        "url": configured.git_url,
        "overlay": "overlays/dev/coworking/image",
        "image": "coworking",
        "registry": ADDRESS,
        "tag": "58-1f2e3d4c",
        "branch": "main",
        "account": "123456789012",
        "region": "us-east-1",
        "attempts": 100,
        "budget": 300,
        "sign": False,
        "git_config": None,
        "pr_branch": True,
        "again": False,
        "token": "coworking/git-token of us-east-1",
    }
    first, answer = capsys.readouterr().out.splitlines()
    assert first == f"coworking:9 is build 58 of {COMMIT}"
    assert json.loads(answer)["current"] == "58-1f2e3d4c"


def test_a_named_build_of_the_database_goes_where_the_project_says(
    ecr: Registry, written: list[dict[str, Any]]
) -> None:
    ecr.tags = {"58-1f2e3d4c"}
    act(
        "write-back",
        MAIN_BUILD="coworking-postgres:7",
        GIT_URL="https://git.example.com/o/r",
        GIT_BRANCH="trunk",
        DEPLOY_ENVIRONMENT="team",
        GIT_TOKEN_SECRET="",
        SIGNING_KEY_SECRET="coworking/key",
    )
    found, signs, options = written
    assert found == {"find": ("coworking-postgres:7", "coworking-postgres", "us-east-1")}
    assert signs["sign"][1] == "coworking/key"
    names = ("url", "overlay", "image", "registry", "branch", "sign", "git_config", "token")
    assert [options[name] for name in names] == [
        "https://git.example.com/o/r",
        "overlays/team/postgres/image",
        "postgres",
        f"{ADDRESS}-postgres",
        "trunk",
        True,
        Path("settings"),
        "",
    ]


def test_an_image_that_was_not_pushed_is_not_written_back(
    ecr: Registry, written: list[dict[str, Any]]
) -> None:
    with pytest.raises(InputError, match="has no tag 58-1f2e3d4c: the pods could not start"):
        act("write-back")
    assert len(written) == 1
    act("write-back", PUSH_REGISTRY="127.0.0.1:5000")  # which is not asked
    assert len(written) == 4


def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    calls: list[Any] = []

    def run(words: list[str], **more: Any) -> str:
        calls.append((words, more))
        return "the comment"

    monkeypatch.setattr(build_steps, "run", run)
    return calls


def refuse(kind: str) -> Callable[[str, str], str]:
    def secret(name: str, _region: str) -> str:
        raise AwsError(f"no {name}", kind=kind)

    return secret


DIFF = [sys.executable, "-m", "ci", "diff", "--base", "origin/release/1"]


def test_the_comment_is_posted_with_its_own_token(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = ran(monkeypatch)
    monkeypatch.setattr(build_steps, "secret", lambda name, region: f"{name} of {region}")
    act("comment")
    ((words, more),) = calls
    assert words == [*DIFF, "--post"]
    assert more["cwd"] == ROOT
    assert more["env"]["GITHUB_TOKEN"] == "coworking/comment-token of us-east-1"
    assert more["env"]["PATH"] == os.environ["PATH"]


def test_without_a_token_the_comment_is_in_the_log(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = ran(monkeypatch)
    monkeypatch.setattr(build_steps, "secret", refuse("ResourceNotFoundException"))
    act("comment")
    assert calls == [(DIFF, {"cwd": ROOT})]
    printed = capsys.readouterr().out
    assert "The secret coworking/comment-token has no value" in printed
    assert printed.endswith("the comment\n")


def test_a_token_that_may_not_be_read_fails_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = ran(monkeypatch)
    monkeypatch.setattr(build_steps, "secret", refuse("AccessDeniedException"))
    with pytest.raises(AwsError):
        act("comment")
    assert calls == []
