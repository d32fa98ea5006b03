"""What a pod's configuration says it talks to: host names and ports, and the Services they mean.

A value counts as a host when its variable's name says so (`DB_HOST`, `CACHE_ADDR`) or when it is a
URL; so do the URLs in a container's command line, what its shell waits for with `nc`, what a
mounted configuration of nginx passes requests to, and the URLs of databases and brokers in other
mounted configurations. A name
with dots that is none of this cluster's (`db.example.com`) lies outside, and nothing is said about
it. The forms are those of
https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from treecheck.kube.config import find_store
from treecheck.kube.mounts import text_files
from treecheck.kube.variables import Variable, variables_of
from treecheck.model import as_list, as_mapping, as_text, each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.variables import Variables
    from treecheck.model import FieldPath, Manifest, PodTemplate, Resource

HOST_NAME = re.compile(r"(^PG|^|_)(HOST|HOSTNAME|ADDR|ADDRESS|SERVER|ENDPOINT)S?$", re.IGNORECASE)
URL_NAME = re.compile(r"(^|_)UR[IL]$", re.IGNORECASE)
BARE_HOST = re.compile(r"(?:^|_)HOST(?:NAME)?$", re.IGNORECASE)
# Where a server listens is not a host that it talks to.
LISTENS = re.compile(r"(^|_)(BIND|LISTEN|APP|POD|NODE|PUBLIC|ALLOWED)(_|$)", re.IGNORECASE)
NO_HOSTS = frozenset({"false", "localhost", "no", "none", "null", "true", "yes"})
LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
URL = re.compile(r"([a-z][a-z0-9.-]*)(\+[a-z0-9]+)?://[^/\s\"',;]+", re.IGNORECASE)
URL_OPTION = re.compile(r"--?([\w.-]*?)(?:addr(?:ess)?|endpoint|host|server|ur[il])(?:=|$)")
WAITS = re.compile(r"\b(?:nc|ncat)(?: -\w+)* ([a-z][\w.-]*) (\d+)\b")
# Programs that are told a host by -h or --host, with the port that they ask without one, and how
# they are told another.
CLIENTS: dict[str, tuple[int, str]] = {
    "createdb": (5432, "-p"), "createuser": (5432, "-p"), "pg_basebackup": (5432, "-p"),
    "pg_dump": (5432, "-p"), "pg_dumpall": (5432, "-p"), "pg_isready": (5432, "-p"),
    "pg_restore": (5432, "-p"), "psql": (5432, "-p"), "mariadb": (3306, "-P"),
    "mariadb-dump": (3306, "-P"), "mysql": (3306, "-P"), "mysqladmin": (3306, "-P"),
    "mysqldump": (3306, "-P"), "redis-cli": (6379, "-p"), "clickhouse-client": (9000, "--port"),
}  # fmt: skip
CALL = re.compile(rf"(?<![\w.-])({'|'.join(CLIENTS)})\s([^;|&\n]*)")
TOLD_HOST = re.compile(r"(?:^|\s)(?:-h\s*|--host[ =])[\"']?([a-z][\w.-]*)[\"']?(?=\s|$)")
CLUSTER_SUFFIX = re.compile(r"\.svc(\.cluster\.local\.?)?$")
SCHEME_PORTS = {
    "http": 80, "https": 443, "postgres": 5432, "postgresql": 5432, "redis": 6379, "mysql": 3306,
    "amqp": 5672, "mongodb": 27017,
}  # fmt: skip
PASSES = re.compile(
    r"^\s*(?:location .*\{\s*|upstream .*\{\s*)?"
    r"(?:(?:proxy|fastcgi|uwsgi|grpc)_pass\s+(?:(?P<scheme>\w+)://)?|server\s+)"
    r"(?P<host>[a-z][a-z0-9.-]*)(?::(?P<port>\d+))?[/;\s]",
    re.MULTILINE,
)
DEFAULT_PORTS = {
    "http": 80,
    "https": 443,
}  # https://nginx.org/en/docs/http/ngx_http_proxy_module.html
# What a program reads as its settings, and the URLs of a database or broker in it.
SETTINGS_FILE = re.compile(r"\.(conf|env|ini|json|properties|toml|ya?ml)$")
SERVER_URL = re.compile(
    r"(?<![\w+:-])(?P<scheme>jdbc:(?:mariadb|mysql|postgresql)|amqps?|mongodb|mysql|nats"
    r"|postgres(?:ql)?|rediss?)://(?P<rest>[^\s\"'`,;]+)(?P<more>,?)"
)
COMMENT = re.compile(r"(^\s*(#|;|!|//|--|/?\*)|\s#\s).*", re.MULTILINE)
PLACEHOLDER = re.compile(r"[${}<>%*]|__")
MANIFEST = re.compile(r"^(kind|services):", re.MULTILINE)  # of Kubernetes, of docker compose
NO_NAMES = frozenset({"host", "hostname", "server"})  # of an example
# Schemes whose first part is a host; in s3://bucket it is something else.
HOSTED = {*SCHEME_PORTS, "amqps", "grpc", "kafka", "ldap", "nats", "rediss", "smtp", "tcp", "ws"}


@dataclass(frozen=True, slots=True)
class Dependency:
    """A place that a pod's configuration says it talks to, inside this cluster.

    Attributes:
        pod: whose configuration it is.
        name: the variable's name.
        host: the host as it is written.
        namespace, service: what the host means.
        port: the port as it is written next to it, or None.
        host_at, port_at: the variables that say so.
    """

    pod: PodTemplate
    name: str
    host: str
    namespace: str
    service: str
    port: int | None
    host_at: Variable
    port_at: Variable | None

    def target(self, cluster: Cluster) -> Resource | None:
        """The Service, or None if there is none in the tree."""
        return cluster.get("Service", self.namespace, self.service)

    def names_pod(self) -> bool:
        """Whether the host is one pod's: `web-0.web`, `web-0.web.shop.svc`, and not `web.shop`."""
        labels = CLUSTER_SUFFIX.sub("", self.host).split(".")
        if CLUSTER_SUFFIX.search(self.host):
            return len(labels) > len(("service", "namespace"))
        of_namespace = (self.service, self.namespace) == tuple(labels)
        return len(labels) == len(("pod", "service")) and not of_namespace


def dependencies(cluster: Cluster, pod: PodTemplate) -> Iterator[Dependency]:
    """What the variables of a pod's containers name inside the cluster, once each."""
    seen: set[tuple[str, int | None]] = set()
    for path, container in pod.containers():
        variables = variables_of(cluster, pod, path, container)
        for name, variable in variables.named.items():
            found = _dependency(cluster, pod, name, variable, variables)
            if found is not None and (found.host, found.port) not in seen:
                seen.add((found.host, found.port))
                yield found
        for found in _in_words(cluster, pod, path, container):
            if (found.host, found.port) not in seen:
                seen.add((found.host, found.port))
                yield found
    for found in (*_in_files(cluster, pod), *_in_settings(cluster, pod)):
        if (found.host, found.port) not in seen:
            seen.add((found.host, found.port))
            yield found


def _in_files(cluster: Cluster, pod: PodTemplate) -> Iterator[Dependency]:
    """What nginx's configuration, in a ConfigMap that a pod mounts, passes requests to."""
    namespace = pod.owner.namespace
    for volume in map(as_mapping, as_list(pod.spec.get("volumes"))):
        name = as_text(as_mapping(volume.get("configMap")).get("name"))
        store = find_store(cluster, "ConfigMap", namespace, name) if name else None
        for key, text in store.values.items() if store else ():
            own = set(re.findall(r"upstream\s+(\S+)", text))
            for found in PASSES.finditer(text) if "_pass" in text else ():
                host, port = found["host"], found["port"]
                meant = _service(cluster, namespace, host) if host not in own else None
                if meant is not None and store is not None and store.resource is not None:
                    at = Variable(text, store.resource, ("data", key))
                    number = int(port) if port else DEFAULT_PORTS.get(found["scheme"] or "")
                    yield Dependency(pod, f"a pass in {key}", host, *meant, number, at, at)


def _in_settings(cluster: Cluster, pod: PodTemplate) -> Iterator[Dependency]:
    """The databases and brokers that files of mounted ConfigMaps name by a URL.

    With the port that is written there, and without one otherwise: it may be set beside the URL.
    """
    entries = [
        name
        for _, entry in each(pod.spec, "hostAliases")
        for name in as_list(entry.get("hostnames"))
    ]
    for file in text_files(pod, cluster):
        if not SETTINGS_FILE.search(file.place.name) or MANIFEST.search(file.text):
            continue
        for found in SERVER_URL.finditer(COMMENT.sub("", file.text)):
            host, port = _of_server(found)
            whole = "." not in host or CLUSTER_SUFFIX.search(host)
            meant = _service(cluster, pod.owner.namespace, host) if whole else None
            if meant is not None and host not in {*entries, *NO_NAMES}:
                at = Variable(file.text, file.resource, ("data", file.key))
                name = f"the host of {found['scheme']} in {file.key}"
                yield Dependency(pod, name, host, *meant, port, at, at if port else None)


def _of_server(url: re.Match[str]) -> tuple[str, int | None]:
    """(host or "", port) of the URL of a database or broker: of its first server."""
    written, _, _ = url["rest"].partition("?")
    if PLACEHOLDER.search(written):
        return "", None
    try:
        parts = urlsplit(f"tcp://{written}")
        host = parts.hostname or ""  # in small letters; HOST in capitals is an example's
        return host if host in written else "", None if url["more"] else parts.port
    except ValueError:
        return "", None


def _in_words(
    cluster: Cluster, pod: PodTemplate, path: FieldPath, container: Manifest
) -> Iterator[Dependency]:
    """What a container's command line names: URLs with a host, and what its shell waits for."""
    words = [
        (field, index, as_text(word))
        for field in ("command", "args")
        for index, word in enumerate(as_list(container.get(field)))
    ]
    found: list[tuple[str, int, str, str, int | None]] = []
    for field, index, word in words:
        urls = [_host_and_port("", url[0]) for url in URL.finditer(word)]
        if _has_port_beside([text for part, _, text in words if part == field], index):
            urls = [(host, number if f":{number}" in word else None) for host, number in urls]
        if "external" in word or "advertise" in word or "listen" in word:
            urls = []  # its own name, as others call it
        found += [(field, index, word, *pair) for pair in (*urls, *called(word))]
    if not any(" " in word for _, _, word in words):  # a program and its options
        for host, number in called(" ".join(word for _, _, word in words)):
            found += [(*place, host, number) for place in words if host in place[2]][:1]
    for field, index, word, host, number in found:
        meant = _service(cluster, pod.owner.namespace, host) if host else None
        if meant is not None:
            at = Variable(word, pod.owner, (*path, field, index))
            yield Dependency(pod, f"{field}[{index}]", host, *meant, number, at, at)


def _has_port_beside(words: list[str], index: int) -> bool:
    """Whether the option of a word has another beside it for the port: `--db-url`, `--db-port`."""
    option = URL_OPTION.match(words[index]) or (
        URL_OPTION.match(words[index - 1]) if index else None
    )
    return option is not None and any(
        re.match(rf"--?{re.escape(option[1])}port\b", each) for each in words
    )


def called(line: str) -> list[tuple[str, int | None]]:
    """(host, port) of each client of a database that a command line starts, and of what nc asks.

    >>> called("pg_dump -h db -U web > /dumps/today")
    [('db', 5432)]
    """
    found: list[tuple[str, int | None]] = [(host, int(port)) for host, port in WAITS.findall(line)]
    for call in CALL.finditer(line):
        usual, option = CLIENTS[call[1]]
        host = TOLD_HOST.search(call[2])
        port = re.search(rf"(?:^|\s)(?:{option}\s*|--port[ =])[\"']?(\d+)", call[2])
        if host:
            told = re.search(rf"(?:^|\s)(?:{option}|--port)[\s=\d\"'$]", call[2])
            found.append((host[1], int(port[1]) if port else None if told else usual))
    return found


def _dependency(
    cluster: Cluster,
    pod: PodTemplate,
    name: str,
    variable: Variable,
    variables: Variables,
) -> Dependency | None:
    host, port, port_at = host_and_port(name, variable, variables.named)
    if name.upper() == f"{pod.owner.name.upper().replace('-', '_')}_HOSTNAME":
        return None  # its own name, as it shows it
    meant = _service(cluster, pod.owner.namespace, host) if host else None
    return Dependency(pod, name, host, *meant, port, variable, port_at) if meant else None


def host_and_port(
    name: str, variable: Variable, named: dict[str, Variable]
) -> tuple[str, int | None, Variable | None]:
    """(host or "", port, the variable that says the port) that a container's variable names."""
    host, port = _host_and_port(name, variable.value or "")
    if port is not None and str(port) not in (variable.value or ""):  # a scheme's
        if URL_NAME.search(name) and URL_NAME.sub(r"\1PORT", name) in named:
            return host, None, None  # a program may add the port to the URL
        if BARE_HOST.search(name):
            port = None  # what is called a host gets its port from the program
    port_at = variable if port is not None else None
    if host and port is None:
        port_at = named.get(HOST_NAME.sub(r"\1PORT", name))
        written = (port_at.value if port_at else None) or ""
        port = int(written) if written.isdecimal() else None
    return host, port, port_at


def _host_and_port(name: str, value: str) -> tuple[str, int | None]:
    url = URL.match(value)
    if url is not None:
        scheme = url[1].lower()
        if scheme not in HOSTED:
            return "", None
        try:
            parts = urlsplit(value)
            return parts.hostname or "", parts.port or SCHEME_PORTS.get(scheme)
        except ValueError:
            return "", None
    if not HOST_NAME.search(name) or LISTENS.search(name):
        return "", None
    host, _, port = value.partition(":")
    if port and port[0] != "$" and not port[0].isdecimal():
        return "", None  # another form: unix:///var/run/docker.sock, or a label in front of a host
    return host, int(port) if port.isdecimal() else None


def _service(cluster: Cluster, namespace: str, host: str) -> tuple[str, str] | None:
    """(namespace, Service) that a host name means in a pod of `namespace`; None if outside."""
    inside = CLUSTER_SUFFIX.search(host)
    labels = CLUSTER_SUFFIX.sub("", host).split(".")
    if host.casefold() in NO_HOSTS or not all(LABEL.fullmatch(label) for label in labels):
        return None
    if inside:
        return (labels[-1], labels[-2]) if len(labels) > 1 else None
    if len(labels) == 1:
        return namespace, labels[0]
    if len(labels) != len(("service", "namespace")):
        return None
    there = cluster.get("Service", labels[1], labels[0]) is not None
    if not there and cluster.get("Service", namespace, labels[1]):
        return namespace, labels[1]  # one pod of a StatefulSet: web-0.web
    return (labels[1], labels[0]) if labels[1] in cluster.namespaces() else None


def service_ports(service: Resource) -> list[int]:
    """The ports that a Service offers."""
    ports = (as_mapping(port).get("port") for port in as_list(service.spec.get("ports")))
    return [port for port in ports if isinstance(port, int)]
