"""What a changed Application or Namespace does to all that lies behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from treecheck.kube.waves import OPTIONS, words
from treecheck.model import as_list, as_mapping, as_text, at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.model import Manifest, Resource

LEVELS = ("privileged", "baseline", "restricted")
FINALIZER = "resources-finalizer.argocd.argoproj.io"
ENFORCE = "pod-security.kubernetes.io/enforce"
MANAGED = ("spec", "syncPolicy", "managedNamespaceMetadata", "labels")


def application_moves(before: Manifest, after: Manifest) -> Iterator[str]:
    """What changes for everything that an Application brings, a sentence each."""
    old, new = (_destination(side) for side in (before, after))
    if old != new:
        what = "what names no namespace itself" if old[1] == new[1] else "everything"
        yield (
            f"it moves from {' of '.join(old)} to {' of '.join(new)}: Argo CD makes {what} again "
            "there, and removes it from the old place, data included, or leaves it there without "
            "an owner"
        )
    olds, news = (sources(side) for side in (before, after))
    for index, (was, now) in enumerate(zip(olds, news, strict=False)):
        which = f" of source {index + 1}" if len(news) > 1 else ""
        for field, what in (("repoURL", "repository"), ("path", "folder"), ("chart", "chart")):
            if was.get(field) != now.get(field):
                one, other = _or_none(now, field), _or_none(was, field)
                yield f"the {what}{which} is {one} instead of {other}"
        if was.get("targetRevision") != now.get("targetRevision"):
            yield (
                f"it follows {_or_none(now, 'targetRevision')} instead of "
                f"{_or_none(was, 'targetRevision')}{which}: what differs there is not shown here"
            )
        yield from _overrides(as_mapping(was.get("kustomize")), as_mapping(now.get("kustomize")))
    if len(olds) != len(news):
        yield f"it has {len(news)} sources instead of {len(olds)}"


def _overrides(was: Manifest, now: Manifest) -> Iterator[str]:
    """What the Application puts over its folder."""
    counts = {as_text(as_mapping(e).get("name")): e for e in as_list(was.get("replicas"))}
    for entry in map(as_mapping, as_list(now.get("replicas"))):
        name, count = as_text(entry.get("name")), entry.get("count")
        if as_mapping(counts.get(name)).get("count") != count:
            stop = ": this stops every pod of it" if count in (0, "0") else ""
            yield f"it sets {count} replicas of {name} over what the folder says{stop}"
    for image in as_list(now.get("images")):
        if image not in as_list(was.get("images")):
            yield f"it sets the image {image} over what the folder says"
    for field in ("namePrefix", "nameSuffix", "namespace"):
        if was.get(field) != now.get(field):
            yield (
                f"its {field} is {_or_none(now, field)} instead of {_or_none(was, field)}: every "
                "resource is made again under another name, and the old ones are removed"
            )


def application_removed(application: Resource, maker: Manifest | None = None) -> str:
    """What becomes of all that a removed Application deployed.

    `maker` is the ApplicationSet that made it, as it is now; by default as it was.

    Sources: Argo CD 3.4, "App Deletion" (the finalizer), "Sync Options" (Prune=confirm) and
    "Controlling if/when the ApplicationSet controller modifies Applications".
    """
    if application.maker is not None:
        name = application.maker.name
        policy = as_mapping(at(maker or application.maker.body, "spec", "syncPolicy"))
        if policy.get("applicationsSync") in ("create-only", "create-update"):
            return (
                f"ApplicationSet {name} no longer makes it; by its policy it stays, with its pods"
            )
        if policy.get("preserveResourcesOnDeletion") is True:
            return f"ApplicationSet {name} deletes it; what it deployed stays, without an owner"
        return f"ApplicationSet {name} deletes it, with all that it deployed, data included"
    finalizers = map(as_text, as_list(application.metadata.get("finalizers")))
    if not any(each.startswith(FINALIZER) for each in finalizers):
        return "Argo CD stops managing what it deployed: that stays on the cluster"
    options = words(as_text(application.annotations.get(OPTIONS)))
    asked = ", once somebody confirms it" * ("Prune=confirm" in options)
    return f"Argo CD deletes all that it deployed, data included{asked}"


def security_lowered(before: Manifest, after: Manifest) -> Iterator[str]:
    """A level of Pod Security that a namespace no longer enforces."""
    old, new = (_level(side) for side in (before, after))
    if LEVELS.index(new) < LEVELS.index(old):
        yield f"the namespace enforces Pod Security {new!r} instead of {old!r}"


def _level(manifest: Manifest) -> str:
    managed = as_mapping(at(manifest, *MANAGED)) or as_mapping(at(manifest, "metadata", "labels"))
    level = as_text(managed.get(ENFORCE))
    return level if level in LEVELS else LEVELS[0]


def _destination(application: Manifest) -> tuple[str, str]:
    """The namespace and the cluster."""
    where = as_mapping(at(application, "spec", "destination"))
    cluster = as_text(where.get("server")) or as_text(where.get("name"))
    return f"namespace {as_text(where.get('namespace')) or 'of each resource'}", cluster


def sources(application: Manifest) -> list[Manifest]:
    """An Application's sources, one or several."""
    spec = as_mapping(application.get("spec"))
    return [as_mapping(each) for each in as_list(spec.get("sources")) or [spec.get("source")]]


def _or_none(source: Manifest, field: str) -> str:
    return as_text(source.get(field)) or "none"
