"""The plan's step for prod's backups: its commands, and how its check tells how far it is."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
import yaml

from ci.platform.plan import backups as planned
from ci.platform.plan.checks import CHECKS
from ci.platform.plan.names import UNKNOWN_ISSUER, Names
from ci.tree import overlays
from tests.ci.platform.plan.test_plan import NAMES, SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "oidc.eks.us-east-1.amazonaws.com/id/0A1B2C3D"
# The test's own environments, whatever this tree has.
BACKED_UP = SETTINGS._replace(backup_bucket="space-backups", environments=("dev", "prod"))
OWN = replace(NAMES, settings=BACKED_UP, issuer=ISSUER)
ELSEWHERE = replace(NAMES, settings=BACKED_UP._replace(backup_endpoint="s3.example.com"))
ORDER = ("dev", "staging", "prod")
THREE = replace(OWN, settings=BACKED_UP._replace(environments=ORDER))


def texts(names: Names) -> list[str]:
    return [action.text for action in planned.step(names).actions]


def test_the_step_makes_the_bucket_the_image_the_setting_and_the_key() -> None:
    provider, stack, *others = texts(OWN)
    words = shlex.split(provider)
    assert words[:3] == ["eksctl", "utils", "associate-iam-oidc-provider"]
    words = shlex.split(stack)
    assert words[words.index("--parameter-overrides") + 1 :] == [
        "BucketName=space-backups",
        "RoleName=coworking-prod-backups",
        "Namespace=coworking-prod",
        f"OidcIssuer={ISSUER}",
    ]
    assert others == [
        "aws codebuild start-build --region us-east-1 --project-name coworking-api-postgres",
        "GIT_TOKEN_FILE=git-token.txt .venv/bin/python -m ci promote --image postgres --push",
        "git pull",
        "make configure BACKUP_BUCKET=space-backups",
        "make seal ENV=prod ARGS=--backup-key",
    ]


def test_the_image_is_promoted_through_each_environment() -> None:
    command = "GIT_TOKEN_FILE=git-token.txt .venv/bin/python -m ci promote"
    assert [text for text in texts(THREE) if "promote" in text] == [
        f"{command} --to staging --image postgres --push",
        f"{command} --image postgres --push",
    ]


def test_the_template_takes_the_parameters_and_refuses_the_placeholder() -> None:
    from cfnlint.decode import decode  # noqa: PLC0415  (half a second, in every process)

    template, _ = decode(str(overlays.ROOT / "infra/cloudformation/backups.yaml"))
    parameters = template["Parameters"]
    assert {name for name, one in parameters.items() if "Default" not in one} == set(
        planned.parameters(OWN)
    )
    for name, value in planned.parameters(OWN).items():
        assert re.fullmatch(parameters[name]["AllowedPattern"], value), name
    assert not re.fullmatch(parameters["OidcIssuer"]["AllowedPattern"], UNKNOWN_ISSUER)


def test_another_s3_gets_no_stack() -> None:
    assert len(texts(ELSEWHERE)) == len(texts(OWN)) - 2
    assert "oidc" not in " ".join(texts(ELSEWHERE))


def outside(
    tmp_path: Path, names: Names, *, key: bool = True, tag: str = "7-0a1b2c3d", **answers: Any
) -> Any:
    """What the check asks, all done except what is named."""
    overlay = tmp_path / "overlays/prod/postgres"
    overlay.mkdir(parents=True)
    (overlay.parent / "kustomization.yaml").touch()
    sealed = yaml.safe_load(
        (overlays.ROOT / "overlays/prod/postgres/sealedsecret.yaml").read_text()
    )
    entries = sealed["spec"]["encryptedData"]
    entries.pop("BACKUP_KEY", None)
    if key:
        entries["BACKUP_KEY"] = entries["DB_PASSWORD"]
    (overlay / "sealedsecret.yaml").write_text(yaml.safe_dump(sealed))
    parameters = [
        {"ParameterKey": name, "ParameterValue": value}
        for name, value in planned.parameters(names).items()
    ]
    found = {
        "describe_stacks": {
            "Stacks": [{"StackStatus": "CREATE_COMPLETE", "Parameters": parameters}]
        },
        "list_open_id_connect_providers": {
            "OpenIDConnectProviderList": [{"Arn": f"arn:aws:iam::1:oidc-provider/{ISSUER}"}]
        },
    } | answers
    asked = mock.Mock(names=names, root=tmp_path)
    asked.eks.return_value = {"identity": {"oidc": {"issuer": f"https://{ISSUER}"}}}
    asked.aws.side_effect = lambda _, operation, **__: found[operation]
    asked.on_main.return_value = yaml.safe_dump({"images": [{"newTag": tag}]})
    return asked


def test_the_check_is_done_when_all_is_there(tmp_path: Path) -> None:
    mark = CHECKS["backups"](outside(tmp_path, OWN))
    assert (mark.word, "space-backups" in mark.because) == ("done", True)


@pytest.mark.parametrize(
    ("names", "answers", "because"),
    [
        (NAMES, {}, "names no backup_bucket"),
        (OWN, {"describe_stacks": None}, "there is no stack coworking-backups"),
        (OWN, {"describe_stacks": {"Stacks": [{"StackStatus": "ROLLBACK_COMPLETE"}]}}, "ROLLBACK"),
        (replace(OWN, issuer="other"), {}, "has OidcIssuer other and not"),
        (OWN, {"list_open_id_connect_providers": {"OpenIDConnectProviderList": []}}, "no OIDC"),
        (OWN, {"key": False}, "no key is sealed"),
        (ELSEWHERE, {"key": False, "describe_stacks": None}, "no key is sealed"),
        (OWN, {"tag": "0-d0286410"}, "no build's tag"),
    ],
)
def test_the_check_names_what_is_missing(
    tmp_path: Path, names: Names, answers: dict[str, Any], because: str
) -> None:
    mark = CHECKS["backups"](outside(tmp_path, names, **answers))
    assert mark.word == "open"
    assert because in mark.because


def test_the_check_names_the_first_environment_that_has_no_image_yet(tmp_path: Path) -> None:
    asked = outside(tmp_path, THREE)
    tags = {"staging": "7-0a1b2c3d", "prod": "0-d0286410"}
    asked.on_main.side_effect = lambda path: yaml.safe_dump(
        {"images": [{"newTag": tags[path.split("/")[1]]}]}
    )
    assert "--image postgres --to prod --push" in CHECKS["backups"](asked).because
    tags["staging"] = "0-d0286410"
    assert "--image postgres --to staging --push" in CHECKS["backups"](asked).because
