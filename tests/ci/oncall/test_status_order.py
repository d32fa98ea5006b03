"""`status` shows the environments that Argo CD has in the order of promotion."""

from __future__ import annotations

from typing import Any

import pytest

from ci.errors import InputError
from ci.oncall.status import environments
from ci.tree import overlays

NAMES = ("coworking-prod", "postgres-prod", "coworking-old", "coworking-dev", "coworking-pre-prod")


class Listing:
    """An Argo CD that lists Applications."""

    url = "https://argocd.example.org"

    def applications(self) -> list[dict[str, Any]]:
        return [{"metadata": {"name": name}} for name in NAMES]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(overlays, "promotion_order", lambda *_: ("dev", "pre-prod", "prod"))
    return Listing()


def test_all_of_them_and_last_what_git_does_not_have(api: Any) -> None:
    assert environments(api, ()) == ["dev", "pre-prod", "prod", "old"]


def test_those_that_are_named_in_the_order_in_which_they_are(api: Any) -> None:
    assert environments(api, ("prod", "dev")) == ["prod", "dev"]


def test_an_unknown_one_is_answered_in_the_same_order(api: Any) -> None:
    with pytest.raises(InputError, match="there is dev or pre-prod or prod or old"):
        environments(api, ("qa",))
