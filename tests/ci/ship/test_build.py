"""What a build reads of its variables, and what it refuses before it does anything."""

from __future__ import annotations

import pytest

from ci.errors import InputError
from ci.ship.build import Build
from ci.tree import settings

COMMIT = "1f2e3d4c5b6a79881f2e3d4c5b6a79881f2e3d4c"
VARIABLES = {
    "AWS_ACCOUNT_ID": "123456789012",
    "AWS_DEFAULT_REGION": "us-gov-east-1",
    "IMAGE_REPO_NAME": "team/coworking",
    "CODEBUILD_BUILD_NUMBER": "57",
    "CODEBUILD_BUILD_ID": "coworking-main:1f2e3d4c:x",
    "CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT,
}


def test_a_build_names_its_image_by_number_and_commit_and_latest_comes_last() -> None:
    build = Build(VARIABLES)
    assert build.tags == ("57-1f2e3d4c", "57", COMMIT, "latest")
    assert build.project == "coworking-main"


@pytest.mark.parametrize(
    ("name", "there", "address"),
    [
        ("PUSH_REGISTRY", "", "123456789012.dkr.ecr.us-east-1.amazonaws.com/team/coworking"),
        ("PUSH_REGISTRY", "127.0.0.1:5000", "127.0.0.1:5000/team/coworking"),
    ],
)
def test_it_pushes_to_ecr_unless_another_registry_is_named(
    name: str, there: str, address: str
) -> None:
    build = Build(VARIABLES | {name: there, "AWS_DEFAULT_REGION": "us-east-1"})
    assert build.push_address == address


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MAIN_BUILD", ""),
        ("GIT_TOKEN_SECRET", ""),
        ("SIGNING_KEY_SECRET", ""),
        ("GIT_URL", ""),
        ("GIT_BRANCH", "main"),
        ("DEPLOY_ENVIRONMENT", ""),
        ("BASE_IMAGE", ""),
        ("PUSH_REGISTRY", ""),
    ],
)
def test_what_nobody_sets_has_a_value_all_the_same(name: str, expected: str) -> None:
    assert Build({})[name] == expected


def test_the_write_back_goes_to_the_first_environment_of_the_settings() -> None:
    assert Build({}).environment == settings.read().environments[0]
    assert Build({"DEPLOY_ENVIRONMENT": "qa-2"}).environment == "qa-2"


@pytest.mark.parametrize(
    "name",
    [
        *VARIABLES,
        "MAIN_PROJECT",
        "ARTIFACTS_BUCKET",
        "COMMENT_TOKEN_SECRET",
        "CODEBUILD_WEBHOOK_BASE_REF",
    ],
)
def test_what_has_to_be_set_is_asked_for_by_name(name: str) -> None:
    with pytest.raises(InputError, match=f"{name} is not set"):
        Build({})[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_DEFAULT_REGION", "ap-southeast-2"),
        ("IMAGE_REPO_NAME", "a/b.c_d-e"),
        ("CODEBUILD_BUILD_NUMBER", "1234567890"),
        ("ARTIFACTS_BUCKET", "abc"),
        ("ARTIFACTS_BUCKET", "a" * 63),
        ("MAIN_BUILD", "coworking:1f2e-3d"),
        ("MAIN_BUILD", "arn:aws-cn:codebuild:cn-north-1:123456789012:build/coworking:1f2e"),
        ("MAIN_PROJECT", "ab"),
        ("GIT_TOKEN_SECRET", "arn:aws:secretsmanager:us-east-1:123456789012:secret:a/b-c"),
        ("SIGNING_KEY_SECRET", "a/b_c+d=e.f@g"),
        ("CODEBUILD_WEBHOOK_BASE_REF", "refs/heads/release/1.2"),
        ("GIT_URL", "https://user:x@example.org/a b\n"),
        ("BASE_IMAGE", "registry.example.org:5000/python@sha256:0a1b"),
        ("PUSH_REGISTRY", "registry.example.org"),
    ],
)
def test_it_takes_what_is_valid_as_it_is(name: str, value: str) -> None:
    assert Build({name: value})[name] == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_ACCOUNT_ID", "12345678901"),
        ("AWS_ACCOUNT_ID", "1234567890123"),
        ("AWS_ACCOUNT_ID", "١٢٣٤٥٦٧٨٩٠١٢"),
        ("AWS_DEFAULT_REGION", "useast1"),
        ("IMAGE_REPO_NAME", "Coworking"),
        ("IMAGE_REPO_NAME", "a"),
        ("CODEBUILD_BUILD_NUMBER", "0"),
        ("CODEBUILD_BUILD_NUMBER", "057"),
        ("CODEBUILD_BUILD_NUMBER", "12345678901"),
        ("CODEBUILD_BUILD_ID", "coworking"),
        ("CODEBUILD_RESOLVED_SOURCE_VERSION", COMMIT[:8]),
        ("CODEBUILD_RESOLVED_SOURCE_VERSION", f"{COMMIT}0"),
        ("ARTIFACTS_BUCKET", "ab"),
        ("ARTIFACTS_BUCKET", "a" * 64),
        ("MAIN_BUILD", "coworking"),
        ("MAIN_PROJECT", "a"),
        ("MAIN_PROJECT", "a_b"),
        ("GIT_TOKEN_SECRET", "a b"),
        ("SIGNING_KEY_SECRET", "a b"),
        ("COMMENT_TOKEN_SECRET", ""),
        ("CODEBUILD_WEBHOOK_BASE_REF", "main"),
        ("GIT_BRANCH", ""),
        ("DEPLOY_ENVIRONMENT", "../dev"),
        ("BASE_IMAGE", "python --squash"),
        ("PUSH_REGISTRY", "127.0.0.1:5000/team"),
    ],
)
def test_it_refuses_what_cannot_be_right_and_shows_a_valid_one(name: str, value: str) -> None:
    with pytest.raises(InputError, match=f"{name} is ") as refused:
        Build({name: value})[name]
    assert Build({name: refused.value.hint.partition(f"{name}=")[2].rstrip(".")})[name]
