"""What an environment's project and each account may do, and what they are refused."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from ci.argocd.client import ArgoCD, ArgoError
from ci.argocd.login import Login
from tests.e2e.harness.cluster import until
from tests.e2e.harness.world import GOOD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.harness.world import World

STRAY = "stray"
FORBIDDEN = {
    "a_cluster_role": "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n"
    "metadata:\n  name: stray\nrules: []\n",
    "a_secret": "apiVersion: v1\nkind: Secret\nmetadata:\n  name: stray\n",
}


@pytest.fixture
def stray(world: World) -> Iterator[None]:
    """Take the stray Application away afterwards."""
    yield
    world.argo.delete("application", STRAY)


def _application(world: World, **changes: Any) -> dict[str, Any]:
    application = world.argocd.application("coworking-dev")
    spec = application["spec"]
    spec["source"].update(changes.get("source", {}))
    spec["destination"].update(changes.get("destination", {}))
    spec["syncPolicy"] = {"automated": {}}
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": STRAY, "namespace": "argocd"},
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": {"repoURL": "https://example.org/other.git"}}, "repo .* is not permitted"),
        ({"destination": {"namespace": "kube-system"}}, "do not match any of the allowed"),
    ],
    ids=["another_repository", "another_namespace"],
)
def test_12_an_application_that_points_elsewhere_is_refused(
    world: World, stray: None, changes: dict[str, Any], words: str
) -> None:
    world.argo.apply(_application(world, **changes))

    found = until("Argo CD has judged it", lambda: " ".join(_said(world)), within=60)

    assert re.search(words, found)
    assert world.app(STRAY).entries == ()


@pytest.mark.parametrize("manifest", FORBIDDEN.values(), ids=FORBIDDEN)
def test_12_an_application_that_brings_a_forbidden_kind_is_refused(
    world: World, stray: None, manifest: str
) -> None:
    world.repo.pull()
    folder = world.repo.folder / "e2e-stray"
    folder.mkdir(exist_ok=True)
    (folder / "stray.yaml").write_text(manifest)
    world.repo.commit("Bring what the project forbids")
    world.repo.push()
    world.argo.apply(_application(world, source={"path": "e2e-stray"}))

    found = until("the sync is refused", lambda: _refusal(world), within=60)

    assert "not permitted in project" in found
    assert not world.dev.exists("secret", "stray")
    assert not world.all.exists("clusterrole", "stray")


def _said(world: World) -> tuple[str, ...]:
    return world.app(STRAY).problems


def _refusal(world: World) -> str:
    app = world.app(STRAY)
    operation = app.operation
    return " ".join((*operation.failures, operation.message, *app.problems)) if operation else ""


# --- accounts -------------------------------------------------------------------------------------


def _as(world: World, token: str) -> ArgoCD:
    return ArgoCD(Login(world.access.url, token, verify=str(world.access.certificate)))


def test_12_a_developer_may_sync_dev_and_neither_syncs_nor_rolls_back_prod(
    world: World, tokens: dict[str, str]
) -> None:
    developer = _as(world, tokens["developer"])

    developer.sync("coworking-dev", {"dryRun": True})
    for forbidden in (
        lambda: developer.sync("coworking-prod", {"dryRun": True}),
        lambda: developer.rollback("coworking-prod", 0),
        lambda: developer.patch("coworking-prod", {"spec": {"syncPolicy": None}}),
    ):
        with pytest.raises(ArgoError, match="may not do that") as refusal:
            forbidden()
        assert refusal.value.status == 403
    world.settle("coworking-dev")


def test_12_nobody_syncs_what_is_not_in_git(world: World, tokens: dict[str, str]) -> None:
    """A rollback needs `sync` alone; `override` would allow the manifests of somebody's laptop."""
    for who, name in (("developer", "coworking-dev"), ("on-call", "coworking-prod")):
        account = _as(world, tokens[who])
        account.sync(name, {"dryRun": True})
        with pytest.raises(ArgoError, match="may not do that") as refusal:
            account.sync(name, {"dryRun": True, "manifests": [FORBIDDEN["a_secret"]]})
        assert refusal.value.status == 403
        world.settle(name)


def test_12_who_is_on_call_rolls_prod_back_and_resumes(
    world: World, tokens: dict[str, str]
) -> None:
    # New to prod: a version that comes back counts as a rollback of those since.
    old, new = GOOD[4].tag, GOOD[5].tag
    world.release("prod", old)
    world.release("prod", new)

    assert "may not do that" in world.repo.ci_as(tokens["developer"], "rollback", "prod", status=1)
    assert f"prod serves {old} again" in world.repo.ci_as(tokens["on-call"], "rollback", "prod")
    world.repo.ci_as(tokens["on-call"], "resume", "prod")

    assert world.prod.serving(old)
    world.settle("coworking-prod")
