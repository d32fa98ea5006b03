"""The two image repositories of the pipeline's template: who pushes, and what stays."""

import json
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.tree.images import DATABASE_IMAGE
from tests.infra.test_pipeline_template import statements

REPOSITORIES = ("Repository", "PostgresRepository")


@pytest.mark.parametrize(
    ("role", "repository"), [("BuildRole", "Repository"), ("PostgresRole", "PostgresRepository")]
)
def test_a_build_can_push_its_own_image_alone(
    pipeline: dict[str, Any], role: str, repository: str
) -> None:
    pushing = [
        one["Resource"] for one in statements(pipeline, role) if "ecr:PutImage" in one["Action"]
    ]
    assert pushing == [{"Fn::GetAtt": [repository, "Arn"]}]


def test_the_names_of_both_repositories_and_projects_are_what_a_build_makes_of_them(
    pipeline: dict[str, Any],
) -> None:
    resources = pipeline["Resources"]
    shown = [
        (resources[kind]["Properties"]["RepositoryName"], resources[project]["Properties"]["Name"])
        for kind, project in zip(REPOSITORIES, ("BuildProject", "PostgresProject"), strict=True)
    ]
    assert shown == [
        ({"Ref": "ImageRepoName"}, {"Ref": "PipelineName"}),
        (
            {"Fn::Sub": f"${{ImageRepoName}}{DATABASE_IMAGE.suffix}"},
            {"Fn::Sub": f"${{PipelineName}}{DATABASE_IMAGE.suffix}"},
        ),
    ]


@pytest.mark.parametrize("name", REPOSITORIES)
def test_only_latest_can_be_pushed_twice(pipeline: dict[str, Any], name: str) -> None:
    repository = pipeline["Resources"][name]["Properties"]
    assert repository["ImageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert [
        one["ImageTagMutabilityExclusionFilterValue"]
        for one in repository["ImageTagMutabilityExclusionFilters"]
    ] == ["latest"]
    assert repository["ImageScanningConfiguration"] == {"ScanOnPush": True}


def expires(rule: dict[str, Any], tags: set[str]) -> bool:
    """Whether a lifecycle rule can ever select an image with these tags, whatever its age.

    ECR's "Lifecycle policy properties": every pattern of a rule has to match one of the tags.
    """
    selection = rule["selection"]
    if selection["tagStatus"] == "untagged":
        return not tags
    patterns = selection.get("tagPatternList", [])
    patterns += [f"{prefix}*" for prefix in selection.get("tagPrefixList", [])]
    return all(any(fnmatchcase(tag, pattern) for tag in tags) for pattern in patterns)


DEPLOYED = [
    {yaml.safe_load(file.read_text(encoding="utf-8"))["images"][0]["newTag"]}
    for file in Path(__file__).parents[2].glob("overlays/*/*/image/kustomization.yaml")
]


@pytest.mark.parametrize(
    "tags",
    [
        {"57-1a2b3c4d", "57", "1a2b3c4d" * 5},
        {"57-1a2b3c4d", "57", "1a2b3c4d" * 5, "latest"},
        {"manual-v1.0.0"},
        *DEPLOYED,
    ],
)
def test_no_image_with_a_tag_that_git_could_name_ever_expires(
    pipeline: dict[str, Any], tags: set[str]
) -> None:
    for name in REPOSITORIES:
        policy = pipeline["Resources"][name]["Properties"]["LifecyclePolicy"]
        rules = json.loads(policy["LifecyclePolicyText"])["rules"]
        assert not [rule for rule in rules if expires(rule, tags)]
        assert [rule for rule in rules if expires(rule, set())]


def test_the_lifecycle_model_sees_a_rule_that_would_expire_a_deployed_image() -> None:
    by_count = {"selection": {"tagStatus": "tagged", "tagPatternList": ["*-*"]}}
    assert expires(by_count, {"57-1a2b3c4d"})
    assert expires({"selection": {"tagStatus": "any"}}, {"57-1a2b3c4d"})
    assert not expires(by_count, {"57"})
