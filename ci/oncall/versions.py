"""Which version each commit of an Application's history deployed, also while git is away.

Argo CD's history has commits, and no tags. Three places know the tag of a commit, asked in this
order:

1. Argo CD's repo server, which renders the commit. While git is away it does so only for what it
   has a copy of, and while it is down for nothing.
2. The checkout that this runs in, without its remote. A commit's name is that of its content, so
   what it says is right.
3. The cluster: the Deployment that runs, and its ReplicaSets, each of which was made while some
   entry of the history was synced.

A commit that none of them knows stays without a tag; `Versions.unnamed` lists it.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from ci.argocd.application import image_of, tag_of, time_of
from ci.argocd.client import ArgoError
from ci.argocd.environment import RENDER_WITHIN, SERVICE, live_tag, overlay_folder
from ci.errors import InputError
from ci.run import execute
from ci.tree.overlays import ROOT
from ci.version import scalar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from ci.argocd.application import Application, Entry
    from ci.argocd.client import ArgoCD, Json

# A Deployment's controller makes a ReplicaSet a moment after the sync applied the Deployment.
SLACK = timedelta(seconds=30)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class Versions(NamedTuple):
    """The tags of commits.

    Attributes:
        tags: commit to tag.
        trouble: why Argo CD could not render the first commit that it could not; empty if it could
            render all.
        unnamed: the entries of the history whose tag nothing knows.
    """

    tags: dict[str, str]
    trouble: str
    unnamed: tuple[Entry, ...]

    def tag(self, revision: str) -> str:
        """The tag of a commit; empty when nothing knows it."""
        return self.tags.get(revision, "")

    @property
    def remark(self) -> str:
        """A sentence on what could not be rendered and not be named; empty when all is well."""
        if not self.trouble:
            return ""
        said = f"Argo CD can't render every version now: {self.trouble}"
        if self.unnamed:
            names = ", ".join(f"{entry.id} (commit {entry.revision[:8]})" for entry in self.unnamed)
            return f"{said}\nThe version of these entries is not known: {names}"
        return f"{said}\nThe versions are named by this checkout and by what the cluster has."


def name_versions(
    api: ArgoCD, app: Application, environment: str, *, checkout: Path = ROOT
) -> Versions:
    """Find the tag of each commit of the history, of the one that git asks for, and of the sync.

    Args:
        api: Argo CD.
        app: the Application.
        environment: its environment.
        checkout: a git repository that may have the commits.
    """
    asked = [app.revision, app.operation.revision if app.operation else ""]
    wanted = list(dict.fromkeys([*(entry.revision for entry in app.entries), *asked]))
    wanted = [name for name in wanted if _COMMIT.fullmatch(name)]
    tags, errors = _rendered(api, app, wanted)
    for name in errors:
        if tag := _checked_out(checkout, environment, name):
            tags[name] = tag
    if any(entry.revision not in tags for entry in app.entries):
        tags = _in_the_cluster(api, app) | tags
    unnamed = tuple(entry for entry in app.entries if entry.revision not in tags)
    failed = [errors[entry.revision] for entry in app.entries if entry.revision in errors]
    return Versions(tags, failed[0] if failed else "", unnamed)


def unwanted_tag(app: Application, versions: Versions) -> str:
    """The tag that git asks for; while Argo CD can't see git, the one that it last knew of.

    Argo CD forgets the commit of git when it can't read it any more. A sync that isn't in the
    history brought what git asked for then. A sync that went back to an earlier entry's commit was
    a rollback, and what it left is the entry before it. Else the newest entry is it.
    """
    if tag := versions.tag(app.revision):
        return tag
    known = [entry.revision for entry in app.entries]
    if app.operation and app.operation.revision and app.operation.revision not in known:
        return versions.tag(app.operation.revision) or app.operation.revision[:8]
    if was_rolled_back(known):
        return versions.tag(known[-2])
    return versions.tag(known[-1]) if known else ""


def was_rolled_back(revisions: list[str]) -> bool:
    """Whether the newest of the history went back to an earlier one, past another commit."""
    return len(revisions) > 2 and revisions[-1] in revisions[:-2] and revisions[-1] != revisions[-2]


def _rendered(
    api: ArgoCD, app: Application, names: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The tags of commits, and the errors of the others, as Argo CD renders them.

    It is asked for all of them at once, since each may take its time while git hangs.
    """
    tags, errors = {}, {}

    def ask(name: str) -> None:
        try:
            manifests = api.manifests(app.name, name, within=RENDER_WITHIN)
        except ArgoError as error:
            errors[name] = _short(error.reason or str(error))
        else:
            tags[name] = tag_of(image_of(manifests))

    with ThreadPoolExecutor(max(1, len(names))) as pool:
        list(pool.map(ask, names))
    return {name: tag for name, tag in tags.items() if tag}, errors


def _short(said: str) -> str:
    words = " ".join(said.split())
    return words if len(words) <= 200 else f"{words[:120]} … {words[-75:]}"


def _checked_out(checkout: Path, environment: str, name: str) -> str:
    """The tag of a commit in a checkout, without asking its remote; empty if it hasn't got it."""
    path = f"{overlay_folder(environment)}/kustomization.yaml"
    try:
        done = execute(
            ["git", "-C", checkout, "cat-file", "blob", f"{name}:{path}"],
            # A partial clone would ask its remote, which is away.
            env={**os.environ, "GIT_NO_LAZY_FETCH": "1"},
            timeout=5,
        )
        return scalar.find(done.stdout, SERVICE, file=path).tag if done.status == 0 else ""
    except InputError:
        return ""


def _in_the_cluster(api: ArgoCD, app: Application) -> dict[str, str]:
    """The tags of commits as far as the Deployment and its ReplicaSets show them."""
    tags: dict[str, str] = {}
    try:
        nodes = api.resource_tree(app.name).get("nodes") or []
        for node in nodes:
            entry = None
            if node["kind"] == "ReplicaSet" and node["name"].startswith(f"{SERVICE}-"):
                entry = made_by(app.entries, time_of(node.get("createdAt")))
            if entry is not None:
                tags[entry.revision] = _image_tag(api.resource(app.name, node))
        operation = app.operation
        if operation and operation.phase == "Succeeded" and app.entries:
            newest = app.entries[-1].revision
            if operation.revision == newest and (tag := live_tag(api, app)):
                tags[newest] = tag
    except ArgoError:
        pass  # what is known so far is all there is
    return {name: tag for name, tag in tags.items() if tag}


def _image_tag(replica_set: Json) -> str:
    containers = replica_set["spec"]["template"]["spec"]["containers"]
    return tag_of(str(containers[0]["image"]))


def made_by(entries: Iterable[Entry], created: datetime | None) -> Entry | None:
    """The entry during whose sync a ReplicaSet was made; None when it was none of them."""
    if created is None:
        return None
    second = timedelta(seconds=1)  # the times are whole seconds
    begun = [e for e in entries if e.began and e.at and e.began - second <= created]
    if not begun or begun[-1].at is None or created > begun[-1].at + SLACK:
        return None
    return begun[-1]
