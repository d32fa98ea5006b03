"""What an environment is made of in Argo CD, and the waiting that the emergency verbs share."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, NamedTuple

import click

from ci.argocd.application import Application, image_of, tag_of
from ci.argocd.causes import reason_of
from ci.argocd.client import ArgoError
from ci.errors import CiError, InputError
from ci.tree import overlays
from ci.tree.images import DATABASE_IMAGE, SERVICE_IMAGE
from ci.tree.overlays import environments, unknown_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ci.argocd.client import ArgoCD, Json
    from ci.tree.images import SourceImage

SERVICE, PARTS = overlays.SERVICE, overlays.PARTS
DATABASE = DATABASE_IMAGE.part
# A DNS label, which a namespace's name is (Kubernetes, "Object Names and IDs").
_ENVIRONMENT = re.compile(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?")
RENDER_WITHIN = 10.0  # seconds for a render, which takes about one; more while git hangs
POLL = 0.5  # seconds between two looks at Argo CD


def application_name(environment: str, part: str = SERVICE) -> str:
    """Name the Application of a part of an environment: `coworking-prod`."""
    if not _ENVIRONMENT.fullmatch(environment):
        raise unknown_environment(environment, environments())
    return f"{part}-{environment}"


def overlay_folder(environment: str) -> str:
    """Return the folder whose kustomization.yaml has the environment's tag."""
    return SERVICE_IMAGE.overlay_folder(environment)


def read(
    api: ArgoCD, environment: str, part: str = SERVICE, *, refresh: bool = False
) -> tuple[Application, Json]:
    """Read the Application of a part of an environment, parsed and as it came.

    Raises:
        InputError: there is no such Application; the hint names those that there are.
        ArgoError: Argo CD gave no usable answer.
    """
    name = application_name(environment, part)
    try:
        answer = api.application(name, refresh=refresh)
    except ArgoError as error:
        # Argo CD answers 403 for what isn't there, so that names can't be guessed.
        if error.status not in (403, 404):
            raise
        seen = [app["metadata"]["name"] for app in api.applications()]
        if name in seen:
            raise
        known = [n.removeprefix(f"{part}-") for n in seen if n.startswith(f"{part}-")]
        if known:
            raise unknown_environment(environment, overlays.in_order(known)) from error
        raise InputError(
            f"Argo CD has no Application {name!r} that this account may see, nor another one",
            hint="argocd/bootstrap.md sets them up. Who may see them: argocd-rbac-cm.yaml.",
        ) from error
    return Application.parse(answer), answer


def tag_at(api: ArgoCD, app: Application, revision: str, *, within: float = RENDER_WITHIN) -> str:
    """Return the tag that a git commit deploys, as Argo CD itself renders it; empty if it can't.

    Args:
        api: Argo CD.
        app: the Application.
        revision: the commit.
        within: how many seconds to wait for it.
    """
    try:
        return tag_of(image_of(api.manifests(app.name, revision, within=within)))
    except ArgoError:
        return ""


def live_deployment(api: ArgoCD, app: Application) -> Json:
    """Return the Deployment as the cluster has it; empty when there is none."""
    return live(api, app, "Deployment", SERVICE)


def live_service(api: ArgoCD, app: Application) -> Json:
    """Return the Service as the cluster has it; empty when there is none."""
    return live(api, app, "Service", SERVICE)


def live(api: ArgoCD, app: Application, kind: str, name: str) -> Json:
    """Return a Service, Deployment or StatefulSet as the cluster has it; empty for none."""
    group = "" if kind == "Service" else "apps"
    node = {"group": group, "version": "v1", "kind": kind, "name": name}
    try:
        return api.resource(app.name, {**node, "namespace": app.namespace})
    except ArgoError as error:
        if error.status in (400, 404):
            return {}
        raise


def live_tag(api: ArgoCD, app: Application, image: SourceImage = SERVICE_IMAGE) -> str:
    """Return the tag in the image's workload in the cluster now; empty when there is none."""
    return tag_in(live(api, app, image.kind, image.workload), image)


def tag_in(workload: Json, image: SourceImage = SERVICE_IMAGE) -> str:
    """Return the tag that a workload of the image runs; empty when there is none."""
    return tag_of(image_of([workload], image))


def is_rolled_out(deployment: Json) -> bool:
    """Whether a Deployment's pods are all of its newest version and available.

    The rule is that of `kubectl rollout status`; an Application's health lags behind it.
    """
    status = deployment.get("status") or {}
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    seen = status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
    return seen and len(counts) == 1 and counts != {0}


class RunningPod(NamedTuple):
    """A pod: its name, and the uid that no other one ever has."""

    name: str
    uid: str


def pods(
    api: ArgoCD, app: Application, image: SourceImage = SERVICE_IMAGE
) -> frozenset[RunningPod]:
    """The pods of an image's workload, without those of Jobs and those on their way out.

    Argo CD shows them only where the AppProject allows the kinds ReplicaSet and Pod.
    """
    nodes = api.resource_tree(app.name).get("nodes") or []
    # A Deployment owns its pods through a ReplicaSet; a StatefulSet owns them itself.
    owner = "ReplicaSet" if image.kind == "Deployment" else image.kind
    owners = {node["uid"] for node in nodes if node["kind"] == owner}
    return frozenset(
        RunningPod(node["name"], node["uid"])
        for node in nodes
        if node["kind"] == "Pod"
        and any(parent.get("uid") in owners for parent in node.get("parentRefs") or [])
        and reason_of(node) != "Terminating"
    )


def wait_until(
    what: str, seconds: float, done: Callable[[], bool], *, poll: float = POLL, hint: str = ""
) -> float:
    """Ask `done` until it is true, and return after how many seconds.

    Raises:
        CiError: it isn't after `seconds`.
    """
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > seconds:
            raise CiError(f"{what}: not after {seconds:.0f} s", hint=hint)
        time.sleep(poll)
    return time.monotonic() - began


def turn_auto_sync_off(api: ArgoCD, environment: str) -> None:
    """Turn auto-sync off the way the web page does: read, set `enabled: false`, write back."""
    for attempt in range(5):
        _, answer = read(api, environment)
        answer["spec"]["syncPolicy"]["automated"]["enabled"] = False
        try:
            api.update(answer)
        except ArgoError as error:
            # The Application changed between reading and writing; its controller does that often.
            if error.status != 409 or attempt == 4:
                raise
            time.sleep(POLL)
        else:
            return


def show_dry_run(lines: list[str]) -> None:
    """Print what a verb would do."""
    click.echo("Would do, and does nothing now:")
    for line in lines:
        click.echo(f"  - {line}")


def when(at: datetime | None) -> str:
    """Write a time for a person; `?` for one that isn't known."""
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "?"
