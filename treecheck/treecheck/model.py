"""What the rules read and what they answer: resources, pod templates, problems and findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from treecheck.kinds import is_cluster_scoped

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from treecheck.conformance import SchemaError

FieldPath = tuple[str | int, ...]
Manifest = dict[str, Any]


class Severity(StrEnum):
    """How bad a finding is: an error breaks something, a warning is a risk or a surprise."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Part:
    """A set of resources that is applied together: a kustomization, an Application's path, a file.

    Attributes:
        name: what a person calls it, such as `overlays/dev/coworking` or a file's name.
        group: the heading under which text output shows its findings.
        folder: the rendered kustomization's folder, or None when it was read from a file.
        file: the file of rendered manifests, or None when it was rendered (or read from a pipe).
        namespace: where resources without a namespace land.
        options: what an Application adds to the folder's kustomization, as JSON.
        loose: whether it is a file of a tree that nothing there says is applied.
        shown: whether it lies in a folder of examples, and nothing there says that it is applied.
        chart: the Helm chart that the file belongs to, as it is printed; Helm applies it with what
            it makes of the chart's templates.
    """

    name: str
    group: str
    folder: Path | None = None
    file: Path | None = None
    namespace: str = ""
    options: str = ""
    loose: bool = False
    shown: bool = False
    chart: str = ""

    @property
    def to_copy(self) -> bool:
        """Whether people may copy it and fill it in: nothing here says that it is applied."""
        return self.loose or self.shown


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a resource's text is: a file and its first line there, and the generator, if one."""

    file: Path | None
    line: int
    generated: bool = False


@dataclass(slots=True, eq=False)
class Resource:
    """A Kubernetes resource as its destination sees it.

    Attributes:
        body: the manifest. Once the schema layer has run, fields of a wrong type are taken out,
            so rules on kinds of Kubernetes itself need not check types.
        part: the set it was applied with.
        origin: where its text is.
        group: its API group; empty for the core group.
        namespace: its effective namespace; empty for a cluster-scoped kind.
        checked: false for a resource that is only there to be referred to.
        schema_errors: where the manifest leaves its schema (see `conformance`).
        typed: its values by type, once somebody asked (see `typed`).
        maker: the ApplicationSet that generates it, or None.
        encrypted: whether SOPS encrypted it (https://getsops.io/docs/): what it holds is known once
            it is decrypted.
        hidden: the values of a Secret as they were written, which no message may show.
    """

    body: Manifest
    part: Part
    origin: Origin
    api_version: str = ""
    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str = ""
    checked: bool = True
    schema_errors: list[SchemaError] = field(default_factory=list)
    typed: dict[str, list[tuple[FieldPath, Manifest]]] | None = field(default=None, repr=False)
    maker: Resource | None = field(default=None, repr=False)
    encrypted: bool = field(default=False, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)
    _pod: PodTemplate | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        metadata = self.metadata
        self.api_version = as_text(self.body.get("apiVersion"))
        self.group = self.api_version.rpartition("/")[0]
        self.kind = as_text(self.body.get("kind"))
        self.name = as_text(metadata.get("name")) or as_text(metadata.get("generateName"))
        self.encrypted = not {"mac", "version"}.isdisjoint(as_mapping(self.body.get("sops")))
        if self.kind == "Secret":
            parts = (as_mapping(self.body.get(key)) for key in ("data", "stringData"))
            self.hidden = tuple(str(value) for part in parts for value in part.values())
        if is_cluster_scoped(self.group, self.kind):
            self.namespace = ""
        else:
            own = as_text(metadata.get("namespace"))
            self.namespace = own or self.part.namespace or "default"

    def rewrite(self, body: Manifest) -> None:
        """Replace the body, and what was read from it."""
        if body is not self.body:
            self.body = body
            self._pod = None

    @property
    def metadata(self) -> Manifest:
        """`metadata`, or an empty mapping."""
        return as_mapping(self.body.get("metadata"))

    @property
    def spec(self) -> Manifest:
        """`spec`, or an empty mapping."""
        return as_mapping(self.body.get("spec"))

    @property
    def labels(self) -> dict[str, str]:
        """The resource's own labels."""
        return as_mapping(self.metadata.get("labels"))

    @property
    def annotations(self) -> dict[str, str]:
        """The resource's own annotations."""
        return as_mapping(self.metadata.get("annotations"))

    @property
    def key(self) -> tuple[str, str, str, str]:
        """(group, kind, namespace, name): what is unique on a cluster."""
        return (self.group, self.kind, self.namespace, self.name)

    @property
    def title(self) -> str:
        """How messages call it: `Deployment shop/web`, or `Namespace shop`."""
        return f"{self.kind} {self.namespace}/{self.name}".replace(" /", " ")

    @property
    def pod(self) -> PodTemplate | None:
        """The pod that this resource is or makes, or None."""
        if self._pod is None:
            path = POD_TEMPLATES.get((self.group, self.kind))
            if path is None:
                return None
            template = as_mapping(at(self.body, *path))
            if self.kind == "Rollout" and not template:
                return None  # its pods are those of the workload that its workloadRef names
            self._pod = PodTemplate(self, path, template)
        return self._pod


# (group, kind) -> the path of the mapping that holds a pod's metadata and spec.
POD_TEMPLATES: dict[tuple[str, str], FieldPath] = {
    ("", "Pod"): (),
    ("", "ReplicationController"): ("spec", "template"),
    ("apps", "DaemonSet"): ("spec", "template"),
    ("apps", "Deployment"): ("spec", "template"),
    ("apps", "ReplicaSet"): ("spec", "template"),
    ("apps", "StatefulSet"): ("spec", "template"),
    ("argoproj.io", "Rollout"): ("spec", "template"),
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("batch", "Job"): ("spec", "template"),
}


@dataclass(frozen=True, slots=True, eq=False)
class PodTemplate:
    """A pod's metadata and spec inside the resource that makes it.

    Attributes:
        owner: the resource.
        path: where the template lies in the owner; `pod.spec_path` is that of its spec.
        body: the template itself.
    """

    owner: Resource
    path: FieldPath
    body: Manifest

    @property
    def spec(self) -> Manifest:
        """The pod's spec, or an empty mapping."""
        return as_mapping(self.body.get("spec"))

    @property
    def spec_path(self) -> FieldPath:
        """The path of the pod's spec in the owner."""
        return (*self.path, "spec")

    @property
    def labels(self) -> dict[str, str]:
        """The labels that the pods get."""
        return as_mapping(as_mapping(self.body.get("metadata")).get("labels"))

    @property
    def annotations(self) -> dict[str, str]:
        """The annotations that the pods get."""
        return as_mapping(as_mapping(self.body.get("metadata")).get("annotations"))

    def containers(self, *kinds: str) -> list[tuple[FieldPath, Manifest]]:
        """(path in the owner, container) of the main and then the init containers.

        `kinds` chooses among `containers`, `initContainers` and `ephemeralContainers`; by default
        the first two.
        """
        found: list[tuple[FieldPath, Manifest]] = []
        for kind in kinds or ("containers", "initContainers"):
            for index, container in enumerate(as_list(self.spec.get(kind))):
                if isinstance(container, dict):
                    found.append(((*self.spec_path, kind, index), container))
        return found


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule answers.

    Attributes:
        message: one sentence: what will happen, and to whom.
        fix: how to fix it, one sentence.
        path: the field to blame, in `resource`.
        resource: the resource to blame; may be left out by a rule that looks at one resource.
        hides: further fields of the resource that later layers' findings follow from this one.
        related: other resources that the problem follows from: when one of them has an error of
            its own that the schema or the API server finds, or one by a rule of the rule's
            `unless`, this problem is not reported.
        counts: whether it follows from the number of pods that related workloads run: when not, an
            error in `replicas` or `strategy` there does not hide it.
        cause: what the fault lies in, if several resources of one cluster suffer from it: of a
            rule's problems with the same cause the first is reported.
        absent: the namespace in which the rule did not find what it looked for ("" for the
            cluster itself); None where the problem is no such lack. The engine drops the problem
            where not everything there can be known.
        lacking: the kind of what is absent, where only what may bring that kind counts.
        unsure: why it can't be known whether what is absent is there, as a sentence: the summary
            says that instead of a finding.
        severity: how bad this one is, where that is not the rule's severity.
        file, line: the place to blame when it is not in a resource (rules on files).
    """

    message: str
    fix: str
    path: FieldPath = ()
    resource: Resource | None = None
    hides: tuple[FieldPath, ...] = ()
    related: tuple[Resource, ...] = ()
    counts: bool = False
    cause: str = ""
    absent: str | None = None
    lacking: str = ""
    unsure: str = ""
    severity: Severity | None = None
    file: Path | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem in the form in which it is printed."""

    rule: str
    severity: Severity
    message: str
    resource: str
    file: str
    line: int
    fix: str
    groups: tuple[str, ...] = ()
    family: str = ""

    def as_dict(self) -> dict[str, str | int]:
        """The documented, stable JSON form."""
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "message": self.message,
            "resource": self.resource,
            "file": self.file,
            "line": self.line,
            "fix": self.fix,
        }


def as_mapping(value: Any) -> dict[str, Any]:
    """`value` if it is a mapping, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """`value` if it is a list, otherwise an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """`value` if it is text, otherwise an empty text."""
    return value if isinstance(value, str) else ""


def mappings_in(value: Any) -> Iterator[Manifest]:
    """Every mapping in nested mappings and lists, the outermost first."""
    if isinstance(value, dict):
        yield value
    for each in value.values() if isinstance(value, dict) else as_list(value):
        yield from mappings_in(each)


def at(value: Any, *path: str | int) -> Any:
    """What lies at `path` in nested mappings and lists, or None."""
    for step in path:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value):
            value = value[step]
        else:
            return None
    return value


def show_path(path: FieldPath) -> str:
    """A path as people write it: `spec.containers[0].image`."""
    text = ""
    for step in path:
        if isinstance(step, int) or "." in step or "/" in step:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def each(value: Any, *path: str) -> Iterator[tuple[FieldPath, Manifest]]:
    """(place, item) of each item in the list at `path`; an item that is not a mapping is empty.

    >>> list(each({"ports": [{"port": 80}]}, "ports"))
    [(('ports', 0), {'port': 80})]

    `value` is a mapping, or a resource, whose body is used. The place is relative to it.
    """
    body = value.body if isinstance(value, Resource) else value
    for index, item in enumerate(as_list(at(body, *path))):
        yield (*path, index), as_mapping(item)


def containers(resource: Resource, *kinds: str) -> list[tuple[FieldPath, Manifest]]:
    """(path, container) of the pod that a resource is or makes; nothing where it makes none.

    `kinds` are those of `PodTemplate.containers`.
    """
    return resource.pod.containers(*kinds) if resource.pod is not None else []
