"""Where a promotion begins and ends, by the order of settings.yaml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ci.errors import InputError
from ci.ship.promote import ends
from ci.tree.images import DATABASE_IMAGE, SERVICE_IMAGE
from tests.ci.tree.test_overlays import tree

if TYPE_CHECKING:
    from pathlib import Path

ORDER = ("dev", "pre-prod", "prod")


@pytest.fixture
def three(tmp_path: Path) -> Path:
    return tree(tmp_path, f"[{', '.join(ORDER)}]", *ORDER)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None), ("pre-prod", "prod")),
        ((None, "pre-prod"), ("dev", "pre-prod")),
        (("dev", "pre-prod"), ("dev", "pre-prod")),
        (("pre-prod", None), ("pre-prod", "prod")),
    ],
)
def test_a_version_goes_to_an_environment_from_the_one_before(
    three: Path, given: tuple[str | None, str | None], expected: tuple[str, str]
) -> None:
    assert ends(SERVICE_IMAGE, *given, three) == expected


@pytest.mark.parametrize("given", [("dev", "prod"), ("dev", None), ("prod", "pre-prod")])
def test_no_environment_is_passed_over_and_nothing_goes_back(
    three: Path, given: tuple[str, str | None]
) -> None:
    with pytest.raises(InputError, match="A version goes through every environment") as error:
        ends(SERVICE_IMAGE, *given, three)
    assert "python -m ci promote --to " in error.value.hint


def test_nothing_is_promoted_to_the_first_environment(three: Path) -> None:
    with pytest.raises(InputError, match="the pipeline deploys to it") as error:
        ends(SERVICE_IMAGE, None, "dev", three)
    assert error.value.hint.endswith("\npython -m ci promote --to pre-prod")


def test_an_unknown_environment_is_named_with_those_that_there_are(three: Path) -> None:
    with pytest.raises(InputError, match="there is dev or pre-prod or prod"):
        ends(SERVICE_IMAGE, "qa", "prod", three)


@pytest.mark.parametrize("given", [("dev", "prod"), (None, "dev")])
def test_the_commands_to_call_next_are_about_the_same_image(
    three: Path, given: tuple[str | None, str]
) -> None:
    """Without --image they would promote the service."""
    with pytest.raises(InputError) as error:
        ends(DATABASE_IMAGE, *given, three)
    commands = [line for line in error.value.hint.splitlines() if line.startswith("python -m ci")]
    assert commands
    assert all(" --image postgres" in line for line in commands)
