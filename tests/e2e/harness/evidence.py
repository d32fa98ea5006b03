"""What is kept of a scenario that failed: events, logs, and what Argo CD says."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

from ci.argocd.client import ArgoError
from tests.e2e.harness.cluster import Cluster, Refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.harness.world import World


def collect(world: World, folder: Path) -> None:
    """Write all of it into a folder; what can't be had is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for cluster in (world.dev, world.prod):
        name = cluster.namespace
        _write(
            folder / f"{name}.txt",
            lambda c=cluster: c.run("get", "all,cm,pvc,sealedsecrets", "-o", "wide"),
        )
        _write(
            folder / f"{name}-events.txt",
            lambda c=cluster: c.run("get", "events", "--sort-by=.lastTimestamp"),
        )
        _write(folder / f"{name}-pods.yaml", lambda c=cluster: c.run("get", "pods", "-o", "yaml"))
        _logs(cluster, folder)
    for name in (
        "deployment/argocd-server",
        "deployment/argocd-repo-server",
        "deployment/argocd-notifications-controller",
        "statefulset/argocd-application-controller",
    ):
        file = folder / f"{name.partition('/')[2]}.log"
        _write(file, lambda n=name: world.argo.run("logs", n, "--tail=400"))
    with contextlib.suppress(ArgoError, OSError):  # also before anybody could log in
        for application in world.argocd.applications():
            application["metadata"].pop("managedFields", None)
            file = folder / f"application-{application['metadata']['name']}.json"
            file.write_text(json.dumps(application, indent=1))
    _write(folder / "git-log.txt", lambda: world.repo.git("log", "--oneline", "-n", "20"))


def _logs(cluster: Cluster, folder: Path) -> None:
    with contextlib.suppress(Refused):
        for pod in cluster.items("pods"):
            name = pod["metadata"]["name"]
            for previous in ("false", "true"):
                _write(
                    folder / f"{cluster.namespace}-{name}{'-previous' * (previous == 'true')}.log",
                    lambda n=name, p=previous: cluster.run(
                        "logs", n, f"--previous={p}", "--tail=200"
                    ),
                )


def _write(file: Path, read: Callable[[], str]) -> None:
    with contextlib.suppress(Refused, AssertionError, OSError):
        file.write_text(read())
