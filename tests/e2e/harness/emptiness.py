"""Back to a cluster that has nothing of ours: no service, no Argo CD, no sealed-secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.harness.cluster import Cluster, Refused, until

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The files of upstream's whose objects bootstrap.md's lines bring.
BROUGHT = ("argo-cd-*.yaml", "sealed-secrets-*.yaml")
GROUPS = (".argoproj.io", ".bitnami.com")
SEALING_KEY = "sealedsecrets.bitnami.com/sealed-secrets-key"


def make_empty(namespaces: Iterable[str], upstream: Path) -> None:
    """Remove what an earlier run left: Applications, namespaces, volumes, and what upstream brings.

    Args:
        namespaces: those of the service and of the tests.
        upstream: the folder with upstream's files.
    """
    everything, argo = Cluster(), Cluster("argocd")
    _forget_applications(argo)
    chosen = tuple(namespaces)
    for namespace in chosen:
        _forget_hooks(Cluster(namespace))
    everything.run(
        *("delete", "namespace", *chosen, "--ignore-not-found", "--timeout=170s"), timeout=180
    )
    for volume in everything.items("persistentvolume"):
        if volume["spec"].get("claimRef", {}).get("namespace") in chosen:
            everything.delete("persistentvolume", volume["metadata"]["name"])
    for pattern in BROUGHT:
        for file in sorted(upstream.glob(pattern)):
            # Objects without a namespace of their own went into argocd.
            argo_or_own = argo if file.name.startswith("argo-cd") else everything
            argo_or_own.run(
                *("delete", "--ignore-not-found", "--wait=false", "-f", str(file)), timeout=180
            )
    everything.delete("namespace", "argocd", "--timeout=170s")
    everything.run("-n", "kube-system", "delete", "secret", "-l", SEALING_KEY, "--ignore-not-found")
    everything.delete("storageclass", "gp3")
    until("nothing of Argo CD or sealed-secrets is left", lambda: not leftovers(), within=120)


def leftovers() -> list[str]:
    """The names of what Argo CD or sealed-secrets still has in the cluster."""
    listed = (
        Cluster()
        .run(*("get", "crd,clusterrole,clusterrolebinding,namespace", "-o", "name"))
        .splitlines()
    )
    return [
        name
        for name in listed
        if name.endswith(GROUPS) or "/argocd" in name or "sealed-secrets" in name
    ]


def _forget_applications(argo: Cluster) -> None:
    """Delete the Applications without what they deployed, which Argo CD may not be there to do."""
    try:
        names = [each["metadata"]["name"] for each in argo.items("applications.argoproj.io")]
    except Refused:
        return  # no such kind: Argo CD is not there
    argo.run("scale", "statefulset,deployment", "--all", "--replicas=0")
    for name in names:
        argo.patch("application", name, {"metadata": {"finalizers": None}})
        argo.delete("application", name)


def _forget_hooks(cluster: Cluster) -> None:
    """Free the Jobs of a sync that was cut off: Argo CD, which would, may not be there any more."""
    for job in cluster.items("jobs"):
        cluster.patch("job", job["metadata"]["name"], {"metadata": {"finalizers": None}})
