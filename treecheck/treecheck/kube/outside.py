"""What a pod's variables say it talks to outside the cluster: hosts and their ports.

Only a variable whose name says that the program connects counts: `DB_HOST` with `DB_PORT`,
`KAFKA_BROKERS`, `DATABASE_URL`, an endpoint with its port. An address for people to follow
(`PUBLIC_URL`) is none, and neither is a host without a known port.

A name is outside when it ends in a public domain, and the tree neither has that namespace nor
serves the name itself. `db.shop` and `web-0.web.shop` are names of the cluster's own DNS.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from treecheck.kube.addresses import is_address
from treecheck.kube.hosts import SCHEME_PORTS
from treecheck.kube.ports import pod_ports
from treecheck.kube.variables import variables_of
from treecheck.model import as_list, as_mapping
from treecheck.placeholders import has_place, is_to_fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.variables import Variable
    from treecheck.model import PodTemplate

# What programs connect to, as their variables' names have it.
SERVERS = (
    r"AMQP|BROKER|CACHE|CASSANDRA|CLICKHOUSE|DATABASE|DATASOURCE|DB|ELASTIC(?:SEARCH)?|EMAIL|KAFKA"
    r"|LDAP|MAIL|MARIADB|MEMCACHED|MONGO(?:DB)?|MQTT|MSSQL|MYSQL|NATS|OPENSEARCH|ORACLE|PG"
    r"|POSTGRES?(?:QL)?|RABBIT(?:_?MQ)?|REDIS|SMTP|SQL|VALKEY|VAULT"
)
OF_SERVER = re.compile(rf"(?:^|_)(?:{SERVERS})(?:_|$)|^PGHOST", re.IGNORECASE)
HOST = re.compile(r"(?:^PG|_)HOST(?:NAME)?$", re.IGNORECASE)
BROKERS = re.compile(r"(?:^|_)(?:BROKERS?|BOOTSTRAP_?SERVERS?)(?:_|$)", re.IGNORECASE)
ADDRESS = re.compile(
    rf"(?:^|_)(?:{SERVERS})(?:_\w+)?_(?:UR[IL]|DSN)$|(?:^|_)(?:{SERVERS})_ADDR(?:ESS)?$"
    r"|(?:^|_)DSN$",
    re.IGNORECASE,
)
BROKER_SCHEME = re.compile(r"\w+://")
ENDPOINT = re.compile(r"_ENDPOINT$", re.IGNORECASE)
# What others connect to, or a browser follows, whatever it is an address of.
SHOWN = re.compile(
    r"(?:^|_)(?:ADVERTISED?|ALLOWED|BIND|CALLBACK|CONSOLE|CORS|EXTERNAL|ISSUER|LISTEN|LISTENER|LOGIN"
    r"|LOGOUT|NEXT|NUXT|ORIGINS?|PUBLIC|REACT|REDIRECT|SENTRY|UI|VITE|VUE)(?:_|$)",
    re.IGNORECASE,
)
# And where the name says of no server that it is one's.
PERHAPS_SHOWN = re.compile(
    r"(?:^|_)(?:APP|AUTH|AUTHORI[SZ]E|AUTHORI[SZ]ATION|BASE|DOMAIN|FRONTEND|HTTPS?|INGRESS|KUBERNETES|NODE"
    r"|OAUTH2?|OIDC|POD|SELF|SERVER|SITE|VIRTUAL|WEB|WEBSITE)(?:_|$)",
    re.IGNORECASE,
)
PORTS = {
    **SCHEME_PORTS, "amqps": 5671, "ldap": 389, "ldaps": 636, "mariadb": 3306, "mysql2": 3306,
    "nats": 4222, "rediss": 6379, "smtps": 465, "valkey": 6379,
}  # fmt: skip
URL = re.compile(
    r"(?:jdbc:)?(?P<scheme>[a-z][a-z0-9]*)(?P<driver>[+][a-z0-9+]+)?://(?:[^@/\s]*@)?(?P<to>[^/?;\s]+)",
    re.IGNORECASE,
)
OF_GO = re.compile(r"[\w.+-]+(?::[^@\s]*)?@tcp\((?P<to>[^()\s]+)\)")  # web:word@tcp(db:3306)/web
NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+(?P<last>[a-z]{2,})\.?")
# Last labels of public domains; those of countries have two letters.
PUBLIC = re.compile(
    r"[a-z]{2}|app|biz|cloud|com|dev|digital|edu|example|global|gov|info|mil|net|network|online"
    r"|org|services|site|solutions|systems|tech|xyz"
)
IN_TWO = frozenset({"com", "example", "io", "net", "org"})  # db.dev may be a Service of dev
STANDS_FOR = re.compile(r"(?:^|\.)x{3,}(?:\.|$)")  # cache.xxx.amazonaws.com
PROXIES = frozenset({"ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"})
WEB_PORTS = frozenset({80, 443, 8080, 8443})
# Kinds that say which names the cluster itself serves, or forwards.
SERVING = re.compile(
    r"Application|Certificate|DNSEndpoint|Gateway|HelmRelease|\w*Ingress|IngressRoute\w*|\w*Route"
    r"|Service|ServiceEntry|ServiceImport|VirtualService"
)


@dataclass(frozen=True, slots=True)
class OutsideNeed:
    """A place outside the cluster that a pod's configuration says it talks to.

    Attributes:
        pod: whose configuration it is.
        name: the variable's name.
        host: a host name or an IP address.
        port: its port.
        host_at, port_at: the variables that say so.
    """

    pod: PodTemplate
    name: str
    host: str
    port: int
    host_at: Variable
    port_at: Variable

    @property
    def is_private(self) -> bool:
        """Whether the host is an address that may also be the cluster's own."""
        return is_address(self.host) and ipaddress.ip_address(self.host).is_private


def outside_needs(cluster: Cluster, pod: PodTemplate) -> Iterator[OutsideNeed]:
    """What the variables of a pod's containers name outside the cluster, once each.

    Nothing of a container that is told of a proxy, or of a pod on its node's own network.
    """
    if pod.spec.get("hostNetwork") is True:
        return
    aliases = {
        name
        for entry in as_list(pod.spec.get("hostAliases"))
        for name in as_list(as_mapping(entry).get("hostnames"))
    }
    seen: set[tuple[str, int]] = set()
    for path, container in pod.containers():
        variables = variables_of(cluster, pod, path, container)
        if any(name.upper() in PROXIES for name in variables.named):
            continue
        for name, variable in variables.named.items():
            for host, port, port_at in _places(pod, name, variable, variables.named):
                unknown = port in WEB_PORTS and not variables.complete  # a proxy may be there
                if (host, port) in seen or host in aliases or unknown:
                    continue
                if _is_outside(cluster, host):
                    seen.add((host, port))
                    yield OutsideNeed(pod, name, host, port, variable, port_at)


def _places(
    pod: PodTemplate, name: str, variable: Variable, named: dict[str, Variable]
) -> Iterator[tuple[str, int, Variable]]:
    """(host, port, the variable that says the port) of each place that a variable names."""
    value = variable.value or ""
    if not value or SHOWN.search(name):
        return
    plain = bool(PERHAPS_SHOWN.search(name)) or _is_own(pod, name)
    port_at = variable
    found: Iterable[tuple[str, int]] = ()
    if ADDRESS.search(name) or (ENDPOINT.search(name) and not plain):
        found = _of_address(value, told=not ENDPOINT.search(name))
    elif BROKERS.search(name):
        found = _parts(BROKER_SCHEME.sub("", value), None)
    elif HOST.search(name) and (OF_SERVER.search(name) or not plain):
        beside = named.get(HOST.sub(_port_name, name))
        written = (beside.value if beside else None) or ""
        found = _parts(value, int(written) if written.isdecimal() else None)
        port_at = beside if beside is not None and ":" not in value else variable
    own = {port.number for port in pod_ports(pod)}
    for host, port in found:
        if port not in own:  # its own name, perhaps
            yield host, port, port_at


def _port_name(found: re.Match[str]) -> str:
    """What the port's variable has in place of the host's ending: `_PORT`, `PGPORT`."""
    return "PGPORT" if found[0].upper().startswith("PG") else "_PORT"


def _is_own(pod: PodTemplate, name: str) -> bool:
    """Whether a variable is called after the pod's own program: N8N_HOST of n8n."""
    word = HOST.sub("", name).casefold().replace("_", "-")
    own = [
        pod.owner.name,
        *(str(each.get(key)) for _, each in pod.containers() for key in ("name", "image")),
    ]
    return any(word in each.casefold() or each.casefold() in word for each in own)


def _of_address(value: str, *, told: bool) -> Iterator[tuple[str, int]]:
    """(host, port) of a URL or of `host:port`; a scheme's own port counts where `told`."""
    url = URL.match(value)
    go = OF_GO.match(value)
    if url is None:
        yield from _parts(go["to"] if go else value.partition("/")[0], None)
    elif not (url["driver"] or "").lower().startswith("+srv"):  # its DNS record has the ports
        usual = PORTS.get(url["scheme"].lower()) if told else None
        yield from _parts(url["to"], usual)


def _parts(hosts: str, usual: int | None) -> Iterator[tuple[str, int]]:
    """(host, port) of each of a list: `a:9093,b:9093`; without a port it has the usual one."""
    for each in hosts.split(","):
        host, _, written = each.strip().partition(":")
        port = int(written) if re.fullmatch(r"\d{1,5}", written) else usual
        if host and port and (not written or written.isdecimal()):
            yield host.rstrip(".").lower(), port


def _is_outside(cluster: Cluster, host: str) -> bool:
    if is_address(host):
        address = ipaddress.ip_address(host)
        return not (
            address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_unspecified
        )
    found = NAME.fullmatch(host)
    if found is None or has_place(host) or is_to_fill(host) or STANDS_FOR.search(host):
        return False
    last = found["last"]
    if last in cluster.namespaces() or not PUBLIC.fullmatch(last):
        return False
    return host.count(".") > 1 or last in IN_TWO


def may_serve(cluster: Cluster, needed: OutsideNeed) -> bool:
    """Whether the cluster itself may answer a name: an Ingress has it, DNS rewrites it.

    On a port of the web it may also have a neighbour of the same domain.
    """
    labels = needed.host.split(".")
    looked_for = {needed.host, f"*.{'.'.join(labels[1:])}"}
    if needed.port in WEB_PORTS and not is_address(needed.host):
        looked_for.add(f".{'.'.join(labels[-2:])}")
    for each in cluster.resources:
        of_dns = each.kind == "ConfigMap" and each.namespace == "kube-system"
        if of_dns or SERVING.fullmatch(each.kind):
            text = str(each.body)
            if any(name in text for name in looked_for):
                return True
    return False
