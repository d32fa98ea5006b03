"""Reads the cases of the rules: rules/<rule>.yaml, and rules/<rule>.<what>.yaml for further ones.

README.md beside this file shows a case. What a manifest doesn't write is sound: `complete` fills it
in, so that a case shows only what it is about.
"""

from __future__ import annotations

import base64
import copy
import random
import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from treecheck.kinds import is_cluster_scoped
from treecheck.model import as_list, at

CASES = Path(__file__).parent / "rules"
MANIFESTS = "manifests.yaml"  # the file of a case that is a plain list of manifests

TEMPLATE = ("spec", "template", "spec")
POD_PATHS = {"Pod": ("spec",), "CronJob": ("spec", "jobTemplate", *TEMPLATE)}
API_VERSIONS = {
    "AppProject": "argoproj.io/v1alpha1", "Application": "argoproj.io/v1alpha1",
    "ClusterRole": "rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "rbac.authorization.k8s.io/v1",
    "ConfigMap": "v1", "CronJob": "batch/v1", "DaemonSet": "apps/v1", "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2", "Ingress": "networking.k8s.io/v1",
    "Job": "batch/v1", "Namespace": "v1", "NetworkPolicy": "networking.k8s.io/v1",
    "PersistentVolumeClaim": "v1", "Pod": "v1", "PodDisruptionBudget": "policy/v1",
    "Role": "rbac.authorization.k8s.io/v1", "RoleBinding": "rbac.authorization.k8s.io/v1",
    "SealedSecret": "bitnami.com/v1alpha1", "Secret": "v1", "Service": "v1",
    "ServiceAccount": "v1", "StatefulSet": "apps/v1", "StorageClass": "storage.k8s.io/v1",
}  # fmt: skip
NAMESPACES = {"AppProject": "argocd", "Application": "argocd"}
SELECTING = {"DaemonSet", "Deployment", "StatefulSet"}
IDENTITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
POD = {"automountServiceAccountToken": False, "securityContext": {"runAsUser": 10001, **IDENTITY}}
CONTAINER = {
    "name": "web",
    "image": "registry.example.com/shop/web:1.4.2",
    "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    },
}
# Of a container with `serves: http`.
SERVES = {
    "ports": [{"name": "http", "containerPort": 8080}],
    "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
}
# Of a container with `reads: files`, and of its pod.
READS = {
    "image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/web:1.4.2",
    "env": [
        {"name": "DB_PASSWORD_FILE", "value": "/run/secrets/web/DB_PASSWORD"},
        {"name": "LOG_FILE", "value": "/tmp/web.log"},
    ],
    "volumeMounts": [
        {"name": "settings", "mountPath": "/etc/web"},
        {"name": "password", "mountPath": "/run/secrets/web", "readOnly": True},
        {"name": "tmp", "mountPath": "/tmp"},
    ],
}
READS_POD = {
    "securityContext": {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001, **IDENTITY},
    "volumes": [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "password", "secret": {"secretName": "web", "defaultMode": 0o440}},
        {"name": "tmp", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
    ],
}
# Of a pod with a container called postgres, and of that container.
POSTGRES_POD = {
    "automountServiceAccountToken": False,
    "securityContext": {"runAsUser": 999, "fsGroup": 999, **IDENTITY},
    "volumes": [{"name": "run", "emptyDir": {}}],
}
POSTGRES = {
    **CONTAINER,
    "image": "postgres:15.20-bookworm",
    "env": [{"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"}],
    "ports": [{"name": "postgres", "containerPort": 5432}],
    "readinessProbe": {"exec": {"command": ["pg_isready", "-U", "postgres"]}},
    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
    "volumeMounts": [
        {"name": "data", "mountPath": "/var/lib/postgresql/data"},
        {"name": "run", "mountPath": "/var/run/postgresql"},
    ],
}
CLAIMS = [
    {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}},
    }
]
# Of other kinds, what their spec has.
SPECS: dict[str, dict[str, Any]] = {
    "Service": {"ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    "Application": {
        "project": "default",
        "source": {
            "repoURL": "https://github.com/example-org/shop-deploy.git",
            "targetRevision": "main",
            "path": "overlays/prod",
        },
        "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
        "syncPolicy": {
            "managedNamespaceMetadata": {
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"}
            },
            "syncOptions": ["CreateNamespace=true"],
        },
    },
}


class Nothing(Enum):
    """`!none`: the field, item or resource is not there, and is not filled in."""

    NONE = "none"


@dataclass(slots=True)
class AsIs:
    """`!as-is`: a mapping in which nothing is filled in."""

    value: Any


NONE = Nothing.NONE


class _Loader(yaml.CSafeLoader):
    pass


_Loader.add_constructor(
    "!long", lambda loader, node: ("x" * 999 + "\n") * (int(loader.construct_scalar(node)) // 1000)
)
# A value as kubeseal makes it: a length, a key of 512 bytes, and what that encrypts.
_SEALED = {n: b"\x02\x00" + random.Random(int(n or 1)).randbytes(552) for n in ("", "2")}
_Loader.add_constructor("!sealed", lambda _, node: base64.b64encode(_SEALED[node.value]).decode())
_Loader.add_constructor("!none", lambda _loader, _node: NONE)
_Loader.add_constructor(
    "!as-is", lambda loader, node: AsIs(loader.construct_mapping(node, deep=True))
)


@dataclass(frozen=True, slots=True)
class Case:
    """A tree that a rule is run on.

    Attributes:
        rule: the rule's id.
        name: the case's, for the test's name.
        broken: whether the rule has to find its fault, exactly once and nothing else.
        contents: the files, by name: a text, a manifest or its manifests.
        facts: what exists outside, as the facts file says it; None for nothing known.
        patch: what was changed in the sound tree: resource or file -> path or text -> new value.
        sound: the manifests before that, by `Kind name`; empty for a case of texts.
        says: the finding's whole message, where the case is about the message; or "".
    """

    rule: str
    name: str
    broken: bool
    contents: dict[str, Any]
    facts: Any = None
    patch: Any = None
    sound: dict[str, Any] = field(default_factory=dict)
    says: str = ""

    @property
    def files(self) -> dict[str, str]:
        """The files' texts, by name: made when asked for, as every worker collects every case."""
        return {name: text_of(content) for name, content in self.contents.items()}

    def write(self, folder: Path) -> Path:
        """Write the files; returns what the checker is given: the folder, or the one file."""
        for name, text in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
        return folder / MANIFESTS if list(self.contents) == [MANIFESTS] else folder


def read_cases(file: Path) -> list[Case]:
    """The cases of a file: the sound one, then those that differ from it."""
    body = yaml.load(file.read_text(encoding="utf-8"), _Loader)
    rule, _, what = file.stem.partition(".")
    assert {*body.get("says", {})} <= {*body.get("broken", {})}, f"{file.name}: says what?"
    good = _tree(body["good"]) if "good" in body else {}
    cases = [_case(rule, what or "good", good, body, broken=False)] if good else []
    for kind in ("fine", "broken"):
        for name, change in (body.get(kind) or {}).items():
            tree = _tree(change) if isinstance(change, list) else patched(good, change)
            told = {"broken": kind == "broken", "change": change, "good": good}
            cases.append(_case(rule, f"{what}.{name}".lstrip("."), tree, body, **told))
    return cases


def _case(
    rule: str,
    name: str,
    tree: dict[str, Any],
    body: Any,
    *,
    broken: bool,
    change: Any = None,
    good: Any = None,
) -> Case:
    manifests = (good or {}).get(MANIFESTS)
    sound = {title(each): each for each in manifests} if isinstance(manifests, list) else {}
    patch = change if isinstance(change, dict) else None
    says = body.get("says", {}).get(name.rpartition(".")[2], "")
    return Case(rule, name, broken, tree, body.get("facts"), patch, sound, says)


@cache
def all_cases() -> list[Case]:
    """The cases of every rule, those of its plain file first."""
    files = sorted(CASES.glob("*.yaml"), key=lambda file: file.stem)
    return [case for file in files for case in read_cases(file)]


def case(rule: str, name: str) -> Case:
    """One case, such as ("wrong-type", "good")."""
    return next(each for each in all_cases() if (each.rule, each.name) == (rule, name))


def _tree(good: Any) -> dict[str, Any]:
    """File -> its text, its manifest or its manifests, completed."""
    if isinstance(good, list):
        return {MANIFESTS: [complete(each) for each in good]}
    return {name: _content(content) for name, content in good.items()}


def _content(content: Any) -> Any:
    if isinstance(content, list):
        return [complete(each) for each in content]
    return content if isinstance(content, str) else complete(content)


def text_of(content: Any) -> str:
    """A file's text."""
    if isinstance(content, str):
        return content
    bodies = content if isinstance(content, list) else [content]
    # libyaml writes it in a tenth of the time.
    return yaml.dump_all(
        bodies, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=1000
    )


def title(body: Any) -> str:
    """How a patch calls a manifest: `Service web`."""
    return f"{body.get('kind')} {(body.get('metadata') or {}).get('name')}"


def complete(body: Any) -> Any:
    """A manifest with what it doesn't write filled in, and without what is `!none`."""
    if isinstance(body, AsIs):
        return body.value
    body = copy.deepcopy(body)
    kind = body.get("kind")
    if kind not in API_VERSIONS or isinstance(body.get("apiVersion"), Nothing):
        return _pruned(body)
    body = {"apiVersion": API_VERSIONS[kind], **body}
    if "pod" in body:
        _put(body, [*POD_PATHS.get(kind, TEMPLATE)], body.pop("pod"))
    metadata = body.setdefault("metadata", {})
    if isinstance(metadata, dict):
        metadata.setdefault("name", "web")
        if not is_cluster_scoped(body["apiVersion"].rpartition("/")[0], kind):
            metadata.setdefault("namespace", NAMESPACES.get(kind, "shop"))
    if kind in SPECS and isinstance(body.setdefault("spec", {}), dict):
        _fill(body["spec"], SPECS[kind])
        if kind == "Service":
            _fill(body["spec"], {"selector": {"app": body["metadata"]["name"]}})
    _complete_pods(kind, body)
    return _pruned(body)


def _complete_pods(kind: str, body: dict[str, Any]) -> None:
    *above, _ = POD_PATHS.get(kind, TEMPLATE)
    template = at(body, *above)
    if kind not in SELECTING | {"Job", "CronJob", "Pod"} or not isinstance(template, dict):
        return
    if kind in SELECTING:
        labels = {"app": body["metadata"]["name"]}
        _fill(body["spec"], {"selector": {"matchLabels": labels}})
        metadata = template.setdefault("metadata", {})
        if isinstance(metadata, dict):
            _fill(metadata, {"labels": labels})
    pod = template.get("spec")
    if isinstance(pod, dict) and _complete_pod(pod) and kind == "StatefulSet":
        name = body["metadata"]["name"]
        _fill(body["spec"], {"serviceName": name, "volumeClaimTemplates": CLAIMS})


def _complete_pod(pod: dict[str, Any]) -> bool:
    """Fill in a pod and its containers; returns whether it is a database."""
    containers = [
        each
        for name in ("containers", "initContainers")
        for each in as_list(pod.get(name))
        if isinstance(each, dict)
    ]
    for container in containers:
        if container.pop("reads", None) == "files":
            _fill(container, READS)
            _fill(pod, READS_POD)
        if container.pop("serves", None) == "http":
            _fill(container, SERVES)
        _fill(container, POSTGRES if container.get("name") == "postgres" else CONTAINER)
    database = any(each["name"] == "postgres" for each in containers)
    _fill(pod, POSTGRES_POD if database else POD)
    return database


def _fill(body: dict[str, Any], sound: dict[str, Any]) -> None:
    for key, value in sound.items():
        body.setdefault(key, copy.deepcopy(value))


def _pruned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _pruned(item) for key, item in value.items() if item is not NONE}
    if isinstance(value, list):
        return [_pruned(item) for item in value if item is not NONE]
    return value.value if isinstance(value, AsIs) else value


def patched(good: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The tree with a change: of manifests by `Kind name`, of texts by the file's name."""
    tree = copy.deepcopy(good)
    for what, edits in change.items():
        if isinstance(tree.get(what), str | dict):
            whole = isinstance(edits, dict) and "kind" in edits
            tree[what] = complete(edits) if whole else _edited(tree[what], edits, what)
            if tree[what] is NONE:
                del tree[what]
        elif what == "add":
            tree[MANIFESTS] += [complete(each) for each in edits]
        elif MANIFESTS not in tree:
            tree[what] = _content(edits)
        else:
            bodies = tree[MANIFESTS]
            index = next(i for i, each in enumerate(bodies) if title(each) == what)
            bodies[index : index + 1] = (
                [] if edits is NONE else [_edited(bodies[index], edits, what)]
            )
    return tree


def _edited(content: Any, edits: Any, what: str) -> Any:
    if not isinstance(edits, dict):
        return edits
    for key, value in edits.items():
        if isinstance(content, str):
            assert content.count(key) == 1, f"{what}: {key!r} is there {content.count(key)} times"
            line = rf"[ ]*{re.escape(key)}\n"
            content = re.sub(line, "", content) if value is NONE else content.replace(key, value)
        else:
            path = steps(key)
            if path[0] == "pod":
                path[:1] = POD_PATHS.get(content["kind"], TEMPLATE)
            _put(content, path, value)
    return content


def steps(path: str) -> list[str | int]:
    """`spec.ports[0].name` as ["spec", "ports", 0, "name"]; a name with dots stands in brackets."""
    found: list[str | int] = []
    for name, bracketed in re.findall(r"([^.\[\]]+)|\[([^\]]+)\]", path):
        found.append(int(bracketed) if bracketed.isdigit() else name or bracketed)
    return found


def _put(body: Any, path: list[str | int], value: Any) -> None:
    """Set a field; an item behind the last is appended, and `!none` takes away."""
    for step in path[:-1]:
        body = body.setdefault(step, {}) if isinstance(body, dict) else body[step]
    last = path[-1]
    if value is NONE:
        del body[last]
    elif isinstance(body, list) and last == len(body):
        body.append(_pruned(value))
    else:
        body[last] = _pruned(value)
