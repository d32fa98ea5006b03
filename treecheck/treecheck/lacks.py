"""Which problems of the kind "it is not there" are known: the engine drops the others."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from treecheck.asked import NAMED, Elsewhere
from treecheck.cluster import Cluster, matches
from treecheck.files import kustomization_file
from treecheck.kube.config import keeps_secrets
from treecheck.kube.substitutions import filled_name, with_places
from treecheck.model import as_mapping, at
from treecheck.placeholders import is_replaced
from treecheck.registry import Scope
from treecheck.sets import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from treecheck.inputs import Inputs
    from treecheck.registry import Raised


_ADDRESS = re.compile(r"(?:\w+://|\w+@)?(\S+?/\S+?)(?:\?\S*)? is not fetched")
_SEVERAL = 3  # files beside a kustomization that it does not list, which people apply then
_EXAMPLE = re.compile(r"(?:^|[-_.])(?:example|sample)s?(?:[-_.]|$)")
# Folders that are there to be built on, and rules about what an overlay fills in.
_BASES = frozenset({"base", "bases", "component", "components"})
# What brings a tree to a cluster: group of its resources -> (its name, its own Services).
_INSTALLERS = {
    "argoproj.io": (
        "Argo CD",
        re.compile(
            r"(?:ConfigMap|Secret|Service|ServiceAccount) argocd-"
            r"(?:application|applicationset|cm|dex|gpg|initial|metrics|rbac|redis|repo|secret|server"
            r"|ssh|tls)\b.*"
        ),
    ),
    "notification.toolkit.fluxcd.io": (
        "Flux",
        re.compile(r"Service (?:notification|source)-controller|Service webhook-receiver"),
    ),
}
FLUX = "kustomize.toolkit.fluxcd.io"
_FILLED = frozenset({"application-set-makes-nothing", "variable-undefined"})
# Kinds that select pods -> the field.
_SELECTORS = {
    "NetworkPolicy": "podSelector",
    "PodDisruptionBudget": "selector",
    "Service": "selector",
}
# What people apply to one namespace or another: `kubectl apply -n shop -f claims.yaml`.
_BY_HAND = frozenset({"ConfigMap", "PersistentVolumeClaim", "Secret"})
# Kinds that point at pods or accounts of a namespace.
_POINTERS = frozenset(
    {"ClusterRoleBinding", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "RoleBinding"}
    | {"Service", "ServiceMonitor"}
)


def around(cluster: Cluster, clusters: Iterable[Cluster], inputs: Inputs) -> Cluster | None:
    """A cluster with everything that other folders of the tree may bring to it.

    None where Applications say what it gets. Nothing else says which folders share a cluster, so
    each is judged by itself, and lacks nothing that another one has.
    """
    if cluster.name not in inputs.apart:
        return None
    others = [found for other in clusters if other is not cluster for found in other.resources]
    if not others:
        return None
    keys = {each.key for each in cluster.resources}
    more = [each for each in others if each.key not in keys]
    return Cluster(
        cluster.name,
        [*cluster.resources, *more],
        cluster.facts,
        cluster.version,
        [*inputs.unseen_of(cluster.name)],
    )


def known_lacks(
    raised: list[Raised],
    cluster: Cluster,
    clusters: list[Cluster],
    inputs: Inputs,
    unknown: dict[str, None],
) -> Iterator[Raised]:
    """The problems without those whose lack can't be known; why goes to `unknown`.

    Left out is also what a script or a setting of the tree settles.
    The cluster with what is around it, of `clusters`, is made where something lacks.
    """
    wider: Cluster | None = None
    asked = False
    elsewhere = Elsewhere(raised, lambda what: _is_made(what, cluster))
    for each in raised:
        if _is_settled(each, inputs):
            continue
        namespace = each.problem.absent
        lacks = namespace is not None or each.rule.id in _FILLED
        if lacks and (why := _of_base(each, cluster, inputs)):
            unknown.setdefault(why)
            continue
        if namespace is None:
            yield each
            continue
        if not asked:
            wider, asked = around(cluster, clusters, inputs), True
        why = (wider or cluster).unknown(namespace, each.problem.lacking)
        if not why and wider is not None and not _again(each, wider):
            continue  # another folder of the tree brings it
        if why:
            unknown.setdefault(f"{why}, so what is missing there can't be known")
        elif (unsure := _unsure(each, cluster, wider or cluster, inputs)) or (
            not any(_left_out(each, inputs)) and (unsure := elsewhere.why(each))
        ):
            unknown.setdefault(unsure)
        else:
            yield _told(each, inputs)


def _unsure(raised: Raised, cluster: Cluster, wider: Cluster, inputs: Inputs) -> str:
    """Why something else than the tree may bring what lacks, or ""; `wider` is with what is around.

    The questions are asked in the order of how much their answers say.
    """
    return (
        _by_hand(raised, inputs, wider)
        or _claimed(raised, inputs)
        or raised.problem.unsure
        or _filled_in(raised, inputs)
        or _unplaced(raised, cluster)
        or _unpeopled(raised, wider)
        or _podless(raised, wider)
        or _of_platform(raised, wider)
        or _labelled(raised, wider, inputs)
        or _elsewhere(raised, cluster)
    )


def _claimed(raised: Raised, inputs: Inputs) -> str:
    """Which file beside what asks for a claim makes it, and is not listed, as a sentence, or "".

    People keep claims out of kustomizations, so that nobody deletes the data with the rest. An
    example of whatever is missing they copy and fill in. Where several files lie beside, all of
    them are theirs to apply.
    """
    for what, file in _left_out(raised, inputs):
        beside = (path for path, each in inputs.files.items() if not each.merged and each.documents)
        several = sum(path.parent == file.parent for path in beside) >= _SEVERAL
        if several or what.startswith("PersistentVolumeClaim ") or _EXAMPLE.search(file.stem):
            return f"{show(file, inputs.root)} makes {what}, so somebody may apply it by hand"
    return ""


def _told(raised: Raised, inputs: Inputs) -> Raised:
    """A problem, with the file that would solve it where one lies beside and is not listed."""
    for _, file in _left_out(raised, inputs):
        made = f"only {show(file, inputs.root)} (no kustomization lists it) makes"
        message = re.sub("nothing in the tree makes|^there is no", made, raised.problem.message)
        return replace(raised, problem=replace(raised.problem, message=message))
    return raised


def _left_out(raised: Raised, inputs: Inputs) -> Iterator[tuple[str, Path]]:
    """(`Secret web`, file) of what is missing, and made by a file beside what asks for it."""
    resource = raised.resource
    folder = resource.origin.file.parent if resource is not None and resource.origin.file else None
    if folder is None or kustomization_file(folder) is None:
        return
    beside = [each for path in sorted(folder.iterdir()) if (each := inputs.files.get(path))]
    for what in NAMED.findall(raised.problem.message):
        for source in beside:
            if not source.merged:
                made = (as_mapping(each.value) for each in source.documents)
                names = (f"{each.get('kind')} {at(each, 'metadata', 'name')}" for each in made)
                if what in names:
                    yield what, source.path


def _is_settled(raised: Raised, inputs: Inputs) -> bool:
    """Whether a script replaces a value, loads the images, or sets a range of node ports."""
    ranged = raised.rule.id == "node-port-range" and inputs.node_ports
    loaded = raised.rule.id == "image-never-pulled" and inputs.loads_images
    return ranged or loaded or is_replaced(raised.resource, raised.problem.path, inputs.replaced)


def _of_base(raised: Raised, cluster: Cluster, inputs: Inputs) -> str:
    """Why what a base lacks may come from an overlay that another tree has, or "".

    No Application brings it, and the tree has nothing of Flux, whose paths may lead to a base.
    """
    part = raised.resource.part if raised.resource is not None else None
    if part is None or part.folder is None or part.name != show(part.folder, inputs.root):
        return ""
    if any(f"/{part.folder.as_posix()}".endswith(f"/{path}") for path in _away(inputs)):
        return (
            f"a kustomization builds on {part.name} by its address, so what others add there "
            "can't be known"
        )
    if _BASES.isdisjoint(part.name.split("/")[-2:]) or any(
        each.group == FLUX for each in cluster.tree
    ):
        return ""
    return f"nothing here builds on {part.name}, so what its overlays add can't be known"


def _away(inputs: Inputs) -> Iterator[str]:
    """The folders, inside of their repositories, that kustomizations name by an address."""
    for found in filter(None, map(_ADDRESS.match, inputs.notes)):
        inside = found[1].partition("//")[2] or "/".join(found[1].split("/")[3:])
        if inside.strip("/"):
            yield inside.strip("/")


def _by_hand(raised: Raised, inputs: Inputs, cluster: Cluster) -> str:
    """Which page or script of the tree says how to make what is missing, as a sentence, or "".

    Or that Terraform makes all of the kind. One that makes any Secret says that people do, in
    namespaces of which the tree has none.
    """
    missing = NAMED.findall(raised.problem.message)
    for what in missing:
        path = inputs.by_hand.get(what) or inputs.by_hand.get(f"{what.split()[0]} *")
        if path is None and not _is_made(what, cluster):
            path = inputs.shown.get(what)
        if path is not None:
            return (
                f"{show(path, inputs.root)} makes {what} outside of git, so whether it is there "
                "can't be known"
            )
    place = raised.problem.absent or ""
    page = next((path for what, path in inputs.by_hand.items() if what.startswith("Secret ")), None)
    secret = any(what.startswith("Secret ") for what in missing)
    if page is None or not secret or not place or keeps_secrets(cluster, place):
        return ""
    return (
        f"{show(page, inputs.root)} makes Secrets outside of git, and the tree has none of "
        f"namespace {place}, so which are there can't be known"
    )


def _is_made(what: str, cluster: Cluster) -> bool:
    """Whether the tree makes `Secret web` in some namespace, perhaps of an ExternalSecret."""
    kind, _, name = what.partition(" ")
    return any(each.kind.endswith(kind) and each.name == name for each in cluster.tree)


def _filled_in(raised: Raised, inputs: Inputs) -> str:
    """Which name with a variable becomes that of what is missing, as a sentence, or ""."""
    if inputs.places is None:
        inputs.places = with_places(each for found in inputs.sets.values() for each in found)
    for what in NAMED.findall(raised.problem.message):
        name = what.partition(" ")[2]
        if text := filled_name(name, inputs.places):
            return f"{text} may become {name} when its variable is filled in"
    return ""


def _unplaced(raised: Raised, cluster: Cluster) -> str:
    """Why it can't be known where a plain file's manifest without a namespace lands, or "".

    Whoever applies it may name one, as the files beside it do.
    """
    resource = raised.resource
    if resource is None or not resource.part.loose or "namespace" in resource.metadata:
        return ""
    if raised.problem.absent != resource.namespace or not resource.namespace:
        return ""
    group = resource.part.group
    beside = (each for each in cluster.resources if each.part.loose and each.part.group == group)
    if not any("namespace" in each.metadata and each.namespace for each in beside):
        return ""
    return (
        f"{resource.kind} {resource.name} in {resource.part.name} names no namespace, as others in "
        f"{group} do, so what is missing where it lands can't be known"
    )


def _unpeopled(raised: Raised, cluster: Cluster) -> str:
    """Why an Ingress's Service, or a NetworkPolicy's pods, may be in a namespace, or "".

    Of its pods the tree has none: whatever installs those, a chart say, brings their Services too.
    """
    resource, place = raised.resource, raised.problem.absent
    if resource is None or resource.kind not in {"Ingress", "NetworkPolicy"}:
        return ""
    written = "namespace" in resource.metadata
    known = written is not resource.part.loose and resource.kind != "NetworkPolicy"
    if not place or cluster.pods(place) or known:
        return ""
    if not written and resource.part.namespace:
        return ""  # an Application says where a kustomization lands
    return f"nothing in the tree runs in namespace {place}, so what is there can't be known"


def _podless(raised: Raised, cluster: Cluster) -> str:
    """Why a Service may have pods in a namespace of which the tree has none, or "".

    A chart or operator that is installed there by other means labels its pods by qualified keys, as
    `app.kubernetes.io/name` or `example.io`. Where pods of another namespace have the labels, it is
    the Service's namespace that is wrong.
    """
    resource, place = raised.resource, raised.problem.absent
    if resource is None or resource.kind != "Service" or not place or cluster.pods(place):
        return ""
    selector = as_mapping(resource.spec.get("selector"))
    qualified = selector and all({"/", "."} & {*key} for key in selector)
    if not qualified or any(matches(selector, pod.labels) for pod in cluster.pods()):
        return ""
    return f"nothing in the tree runs in namespace {place}, so whose pods are there can't be known"


def _of_platform(raised: Raised, cluster: Cluster) -> str:
    """Why something may be there that only the platform itself brings, or "".

    That is pods and accounts, or what installs the tree: Argo CD's and Flux's own Services.
    """
    resource, place = raised.resource, raised.problem.absent or ""
    missing = NAMED.findall(raised.problem.message)
    for group, (who, names) in _INSTALLERS.items():
        if any(names.fullmatch(each) for each in missing) and any(
            each.group == group for each in cluster.tree
        ):
            return f"{who} is installed by other means, so what it brings can't be known"
    if resource is None or resource.kind not in _POINTERS:
        return ""
    if place != "kube-system" and not place.startswith("openshift-"):
        return ""
    return f"the platform itself runs more in namespace {place}"


def _labelled(raised: Raised, cluster: Cluster, inputs: Inputs) -> str:
    """Which program gives pods the labels that nothing in the tree has, or "".

    It is one of the tree, or an operator whose domain no pod of the tree has in a label.
    """
    resource = raised.resource
    if resource is None or resource.kind not in _SELECTORS:
        return ""
    used = {key.partition("/")[0] for pod in cluster.pods() for key in pod.labels if "/" in key}
    selector = as_mapping(resource.spec.get(_SELECTORS[resource.kind]))
    for key in as_mapping(selector.get("matchLabels", selector)):
        domain, slash, _ = key.partition("/")
        if slash and not domain.endswith("k8s.io") and not domain.endswith("kubernetes.io"):
            program = inputs.mentions.program(key) if inputs.mentions else None
            writer = show(program, inputs.root) if program else f"an operator of {domain}"
            if program is not None or domain not in used:
                return f"{writer} writes the label {key}, so which pods have it can't be known"
    return ""


def _elsewhere(raised: Raised, cluster: Cluster) -> str:
    """Why what is missing may be there: the tree has it without saying in which namespace.

    Or nothing says in which namespace the plain file lands that asks for it.
    """
    found = cluster.once("unplaced", lambda: _without_namespace(cluster))
    asking = raised.resource
    if asking is not None and asking.part.loose and "namespace" not in asking.metadata:
        found = found | {f"{each.kind} {each.name}" for each in cluster.tree if each.namespace}
    for what in NAMED.findall(raised.problem.message):
        if what in found and raised.problem.absent:
            return (
                f"nothing says in which namespace {what} is, so where it is missing can't be known"
            )
    return ""


def _without_namespace(cluster: Cluster) -> set[str]:
    """`Service web` of every such resource that a kustomization or a file brings, without one."""
    return {
        f"{each.kind} {each.name}"
        for each in cluster.tree
        if (each.part.folder or (each.part.loose and each.kind in _BY_HAND))
        and not each.part.namespace
        and "namespace" not in each.metadata
    }


def _again(raised: Raised, wider: Cluster) -> bool:
    """Whether a rule finds the same problem with the resources of the other folders around."""
    rule, problem = raised.rule, raised.problem
    arguments = (wider,) if rule.scope is Scope.CLUSTER else (raised.asked, wider)
    if rule.scope is Scope.RESOURCE and raised.asked is None:
        return True
    return any(
        found.path == problem.path and found.absent is not None for found in rule.check(*arguments)
    )
