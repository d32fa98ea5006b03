"""Where a program is told to listen, by an argument or Spring's settings, against its ports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from treecheck.kube.mounts import text_files
from treecheck.kube.ports import (
    DATABASES,
    Port,
    container_ports,
    names_number,
    pod_ports,
    shown,
    target_of,
)
from treecheck.kube.probes import asks
from treecheck.kube.services import selected_pods
from treecheck.kube.variables import variables_of
from treecheck.model import Problem, as_list, as_text, containers, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.kube.mounts import TextFile
    from treecheck.model import Manifest, PodTemplate, Resource

SPRING = re.compile(r"application(-[\w-]+)?\.(properties|ya?ml)$")
# Spring's settings that say where it listens, and the variables that win over them.
SPRING_PORTS = {"server.port": "SERVER_PORT", "management.server.port": "MANAGEMENT_SERVER_PORT"}
SPRING_DEFAULT = 8080
# The name of a port that is not the one that serves.
MANAGES = re.compile(r"actuator|admin|health|management|metrics|mgmt|mon|prom")
ASIDE = re.compile(rf"{MANAGES.pattern}|debug|jmx|webhook")
LISTEN_OPTION = re.compile(
    r"--?(?:web[.-])?(?P<http>http[.-]?)?"
    r"(?:listen(?:[.-](?:address|addr|port))?|bind(?:[.-](?:address|addr))?|addr(?:ess)?|port)"
)
LISTEN_VALUE = re.compile(r"(?:(?:0\.0\.0\.0|\*|\[::\])?:)?(\d{2,5})")
# An option that names a server elsewhere; `--host 0.0.0.0` is the program's own.
OF_ANOTHER = re.compile(
    r" --?(?:[\w-]*-)?(?:h|host|hostname|server|url)(?:=| (?!-))[\"']?(?!0\.0\.0\.0\b|::|\[::|\*)"
)
OTHERS_URL = re.compile(r"\w+://(?!localhost|127\.|0\.0\.0\.0|\[|:)[^\s/]+")


@rule(
    "spring-port-undeclared",
    source="https://docs.spring.io/spring-boot/how-to/webserver.html#howto.webserver.change-port",
    unless=("config-missing", "config-key-missing", "probe-port-unknown", "listen-port-undeclared"),
)
def spring_port_undeclared(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Spring Boot whose mounted settings have it listen on another port than its container says.

    Probes and Services go by the declared port: connection refused. Looked at are `server.port` and
    `management.server.port` of an application.yaml or application.properties, where a declared port
    that is asked is named nowhere. Variables (SERVER_PORT) and arguments win over a file.
    """
    for path, container in containers(resource, "containers"):
        if resource.pod is None or not container_ports(container):
            continue
        files = [
            (file, _settings_of(file))
            for file in text_files(resource.pod, cluster)
            if file.container is container and SPRING.fullmatch(file.place.name)
        ]
        variables = variables_of(cluster, resource.pod, path, container)
        words = [*_words(container), *(one.value or "" for one in variables.named.values())]
        if not variables.complete or any("server.port" in word for word in words):
            continue
        for key, name in SPRING_PORTS.items():
            said = [(file, settings[key]) for file, settings in files if key in settings]
            if len(said) != 1 or name in variables.named:
                continue
            file, number = said[0]
            told = {SPRING_DEFAULT} if not any("server.port" in s for _, s in files) else set()
            told |= {port for _, settings in files for port in settings.values()}
            dead = _dead(resource.pod, cluster, container, number, words)
            dead = [port for port in dead if _may_be(key, port) and port.number not in told]
            if dead:
                yield Problem(
                    _message(resource, container, f"{key} in {file.key}", number, dead),
                    fix="Let the setting and containerPort be the same number.",
                    path=("data", file.key),
                    resource=file.resource,
                    related=(resource,),
                )


def _may_be(key: str, port: Port) -> bool:
    """Whether a port, by its name, can be the one that one of Spring's settings is for."""
    name = port.name.casefold()
    if key == "server.port":
        return not ASIDE.search(name) and "grpc" not in name
    return MANAGES.search(name) is not None


def _settings_of(file: TextFile) -> dict[str, int]:
    """The whole numbers of a file of Spring's settings; {} where a profile decides about parts."""
    if "on-profile" in file.text or "\n---" in file.text.lstrip("-"):
        return {}
    if file.place.suffix == ".properties":
        lines = re.findall(r"^\s*([\w.-]+)\s*[=:]\s*(\d+)\s*$", file.text, re.MULTILINE)
        return {key: int(value) for key, value in lines if int(value)}
    try:
        read = yaml.safe_load(file.text)
    except (yaml.YAMLError, ValueError):
        return {}
    return {key: int(value) for key, value in _flat("", read) if value.isdecimal() and int(value)}


def _flat(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """(key, value) of each scalar in nested mappings, as Spring joins the keys."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), below)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield prefix, str(value)


@rule(
    "listen-argument-undeclared",
    source="https://kubernetes.io/docs/concepts/services-networking/service/#multi-port-services",
    unless=("privileged-port", "probe-port-unknown", "listen-port-undeclared"),
)
def listen_argument_undeclared(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A container whose argument has it listen on another port than it declares.

    `--listen=:9001` in a container whose probes or Service go by port 9000: connection refused.
    Reported only where one such argument has a number that nothing asks, and one declared port
    that is asked stands in no argument, variable or mounted file. Of several containers in a pod
    one may be a proxy that tells its health elsewhere: there a Service has to lead to the port.
    """
    pod = resource.pod
    alone = len(containers(resource, "containers")) == 1
    for path, container in containers(resource, "containers"):
        ports = container_ports(container)
        variables = variables_of(cluster, pod, path, container) if pod and ports else None
        if pod is None or variables is None or not variables.complete:
            continue
        declared = {port.number for port in pod_ports(pod)}
        found = [one for one in _listen_arguments(container) if one.number not in declared]
        if len(found) != 1:
            continue
        texts = [one.value or "" for one in variables.named.values()]
        texts += [file.text for file in text_files(pod, cluster) if file.container is container]
        texts += _words(container)
        dead = [
            port
            for port in _dead(pod, cluster, container, found[0].number, texts)
            if not ASIDE.search(port.name)
            and (found[0].number not in DATABASES or port.number in DATABASES)
            and (alone or _is_led_to(pod, cluster, port))
        ]
        # The option of HTTP says nothing of a port that may be of something else.
        if len(dead) == 1 and (len(ports) == 1 or not found[0].http or "http" in dead[0].name):
            yield Problem(
                _message(resource, container, " ".join(found[0].words), found[0].number, dead),
                fix="Let the argument and containerPort be the same number.",
                path=(*path, found[0].field, found[0].place),
            )


class ListenArgument(NamedTuple):
    """An option that says where a program listens: where it is written, and its port."""

    field: str
    place: int
    words: tuple[str, ...]
    number: int
    http: bool


def _listen_arguments(container: Manifest) -> Iterator[ListenArgument]:
    """Those of a container; none where an argument names a host, whose port one may then be."""
    if OF_ANOTHER.search(f" {' '.join(_words(container))} "):
        return
    for field in ("command", "args"):
        line = [as_text(word) for word in as_list(container.get(field))]
        for index, word in enumerate(line):
            option, equals, value = word.partition("=")
            if not equals and index + 1 < len(line):
                value = line[index + 1]
            name, port = LISTEN_OPTION.fullmatch(option), LISTEN_VALUE.fullmatch(value)
            if name and port:
                told = (word,) if equals else (word, value)
                yield ListenArgument(field, index, told, int(port[1]), bool(name["http"]))


def _words(container: Manifest) -> list[str]:
    return [
        as_text(word) for field in ("command", "args") for word in as_list(container.get(field))
    ]


def _dead(
    pod: PodTemplate, cluster: Cluster, container: Manifest, number: int, texts: list[str]
) -> list[Port]:
    """The declared ports that somebody asks, if a container listens on an undeclared one.

    None where somebody asks that one too, or an annotation names it; and not those that a text of
    its settings names, other than in the URL of somebody else.
    """
    known = any(port.number == number for port in pod_ports(pod))
    if known or _is_asked(pod, cluster, container, Port("", number, "TCP")):
        return []
    if names_number(pod.annotations.values(), number):
        return []
    settings = [OTHERS_URL.sub("", text) for text in texts]
    return [
        port
        for port in container_ports(container)
        if port.protocol == "TCP"
        and not names_number(settings, port.number)
        and _is_asked(pod, cluster, container, port)
    ]


def _is_asked(pod: PodTemplate, cluster: Cluster, container: Manifest, port: Port) -> bool:
    """Whether a probe of its container asks a port, or a Service leads to it."""
    return asks(container, port.number) or _is_led_to(pod, cluster, port)


def _is_led_to(pod: PodTemplate, cluster: Cluster, port: Port) -> bool:
    """Whether a Service leads to a pod's port, by its number or name."""
    return any(
        target_of(offered) in {port.number, port.name or port.number}
        for service in cluster.of_kind("Service", namespace=pod.owner.namespace)
        if pod in selected_pods(service, cluster)
        for _, offered in each(service, "spec", "ports")
    )


def _message(
    resource: Resource, container: Manifest, said: str, number: int, dead: list[Port]
) -> str:
    return (
        f"{said} tells container {container.get('name')} of {resource.title} to listen on port "
        f"{number}, which it does not declare, and nobody answers on {shown(dead)}, which its "
        "probes or Services ask"
    )
