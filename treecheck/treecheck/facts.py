"""What exists on the cluster outside the tree, and which findings are waived: `infra/facts.yaml`.

Every key may be left out; `infra/facts.yaml` of this repository shows each with its meaning.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from treecheck.errors import InputError
from treecheck.model import as_list, as_mapping
from treecheck.reading import read_documents

if TYPE_CHECKING:
    from pathlib import Path

    from treecheck.model import Manifest


@dataclass(frozen=True, slots=True)
class Waiver:
    """A finding that somebody accepts until a date.

    Attributes:
        rule: the rule's id.
        resource: the resource's title, `Kind namespace/name`, as findings print it.
        reason: why.
        expires: the last day on which it holds.
        file, line: where it is written.
    """

    rule: str
    resource: str
    reason: str
    expires: datetime.date
    file: Path
    line: int


# The API server makes it: https://kubernetes.io/docs/concepts/services-networking/service/.
OWN_SERVICES = frozenset({"default/kubernetes"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What a rule may take to exist.

    The lists hold names; of namespaced things, `namespace/name`; of custom kinds,
    `group/Kind`. `dns_pods` is (namespace, labels) of the cluster's DNS pods. `kubernetes` is the
    cluster's version, or empty. `default_storage_class` is "" for none, where that is known.
    `clusters` are those that Argo CD has registered, as mappings
    with name, server, labels, annotations and project; `nodes` are groups of nodes that are alike,
    with name, count, labels, taints (`key=value:NoSchedule`), zones and hostnames. An empty
    `storage_classes` means that nothing is known, not that there are none; ask `knows(key)`.
    """

    file: Path | None = None
    storage_classes: frozenset[str] = frozenset()
    ingress_classes: frozenset[str] = frozenset()
    priority_classes: frozenset[str] = frozenset()
    runtime_classes: frozenset[str] = frozenset()
    custom_kinds: frozenset[str] = frozenset()
    namespaces: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()
    config_maps: frozenset[str] = frozenset()
    services: frozenset[str] = OWN_SERVICES
    service_accounts: frozenset[str] = frozenset()
    dns_namespace: str = "kube-system"
    dns_labels: dict[str, str] = field(default_factory=lambda: {"k8s-app": "kube-dns"})
    clusters: tuple[dict[str, Any], ...] = ()
    nodes: tuple[dict[str, Any], ...] = ()
    ignore: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    kubernetes: str = ""
    default_storage_class: str = ""
    known: frozenset[str] = frozenset()

    def knows(self, key: str) -> bool:
        """Whether the file says anything about `key`, such as `storageClasses`."""
        return key in self.known


# A key of the file -> the attribute of Facts that it fills with names.
NAME_LISTS: dict[str, str] = {
    "storageClasses": "storage_classes",
    "ingressClasses": "ingress_classes",
    "priorityClasses": "priority_classes",
    "runtimeClasses": "runtime_classes",
    "customKinds": "custom_kinds",
    "namespaces": "namespaces",
    "secrets": "secrets",
    "configMaps": "config_maps",
    "services": "services",
    "serviceAccounts": "service_accounts",
}
# Keys whose things have a name and more.
DESCRIBED = ("clusters", "nodes")
KEYS = (
    "kubernetes",
    *NAME_LISTS,
    "defaultStorageClass",
    *DESCRIBED,
    "dnsPods",
    "ignore",
    "waivers",
)


def read_facts(path: Path) -> Facts:
    """Read a facts file.

    Raises:
        InputError: it is missing or not YAML, or a key or value in it is none that is known.
    """
    text, body = _read(path)
    values: dict[str, Any] = {
        attribute: frozenset(_names(path, key, body[key]))
        for key, attribute in NAME_LISTS.items()
        if key in body
    }
    values["services"] = values.get("services", frozenset()) | OWN_SERVICES
    if "kubernetes" in body:
        (values["kubernetes"],) = _names(path, "kubernetes", body["kubernetes"])
    if "defaultStorageClass" in body:
        values["default_storage_class"] = _default_class(path, body["defaultStorageClass"])
    if "dnsPods" in body:
        dns = as_mapping(body["dnsPods"])
        values["dns_namespace"] = str(dns.get("namespace", "kube-system"))
        values["dns_labels"] = {str(k): str(v) for k, v in as_mapping(dns.get("labels")).items()}
    values |= {key: _described(path, key, body[key]) for key in DESCRIBED if key in body}
    return Facts(
        file=path,
        ignore=tuple(_names(path, "ignore", body.get("ignore") or [])),
        waivers=tuple(
            _waiver(path, text, index, each)
            for index, each in enumerate(as_list(body.get("waivers")))
        ),
        known=frozenset(body),
        **values,
    )


def _read(path: Path) -> tuple[str, Manifest]:
    """A facts file's text and its mapping, whose keys are all known."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the facts file {path} can't be read: {error}") from error
    documents = read_documents(text, str(path))
    body = documents[0].value if documents else {}
    if not isinstance(body, dict):
        raise InputError(f"{path}: a facts file is a mapping with the keys {', '.join(KEYS)}")
    for key in body:
        if key not in KEYS:
            raise InputError(f"{path}: unknown key {key!r}; known are {', '.join(KEYS)}")
    return text, body


def _names(path: Path, key: str, value: Any) -> list[str]:
    names = value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name for name in names):
        raise InputError(f"{path}: {key} is a list of names, and {value!r} is none")
    return names


def _default_class(path: Path, value: Any) -> str:
    if not isinstance(value, str):
        raise InputError(f'{path}: defaultStorageClass is a name, or "" where there is none')
    return value


def _described(path: Path, key: str, value: Any) -> tuple[dict[str, Any], ...]:
    """Things with a name and more, such as a cluster."""
    for each in as_list(value):
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise InputError(f"{path}: each of {key} is a mapping with a name")
    return tuple(as_list(value))


def _waiver(path: Path, text: str, index: int, entry: Any) -> Waiver:
    where = f"{path}: waivers[{index}]"
    fields = ("rule", "resource", "reason", "expires")
    if not isinstance(entry, dict) or set(entry) != set(fields):
        raise InputError(f"{where} needs exactly the keys {', '.join(fields)}")
    lines = [
        n for n, line in enumerate(text.splitlines(), 1) if line.lstrip(" -").startswith("rule:")
    ]
    return Waiver(
        rule=str(entry["rule"]),
        resource=str(entry["resource"]),
        reason=str(entry["reason"]),
        expires=parse_date(str(entry["expires"]), where),
        file=path,
        line=lines[index] if index < len(lines) else 1,
    )


def parse_date(text: str, where: str) -> datetime.date:
    """An ISO date.

    Raises:
        InputError: it is none; the message starts with `where`.
    """
    try:
        return datetime.date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{where}: {text!r} is not a date; write 2027-06-30") from error
