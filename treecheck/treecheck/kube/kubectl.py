"""What a call of kubectl asks of the API server.

Source: https://kubernetes.io/docs/reference/kubectl/generated/, and kubectl's own commands, which
say what each requests: `rollout restart`, `set`, `label` and `annotate` patch; `scale` patches the
subresource; `exec` and `logs` of a workload look up its pods first.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from treecheck.model import as_list, as_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.model import Manifest

SHELLS = {"ash", "bash", "busybox", "dash", "ksh", "sh", "zsh"}
PROGRAM = "kubectl"
# The names that kubectl takes for a resource -> its plural.
PLURALS = {
    name: plural
    for plural, names in {
        "configmaps": "cm configmap", "cronjobs": "cj cronjob", "daemonsets": "ds daemonset",
        "deployments": "deploy deployment", "endpoints": "ep", "events": "ev event",
        "ingresses": "ing ingress", "jobs": "job", "namespaces": "ns namespace", "nodes": "no node",
        "persistentvolumeclaims": "pvc persistentvolumeclaim", "pods": "po pod",
        "replicasets": "rs replicaset", "secrets": "secret", "services": "svc service",
        "statefulsets": "sts statefulset",
    }.items()
    for name in (plural, *names.split())
}  # fmt: skip
PODS = "pods"
# What changes one resource that is named -> the verbs that it needs beside `get`.
CHANGES: dict[str, tuple[str, ...]] = {
    "annotate": ("patch",), "label": ("patch",), "patch": ("patch",), "replace": ("update",),
    "rollout pause": ("patch",), "rollout restart": ("patch",), "rollout resume": ("patch",),
    "rollout status": ("list", "watch"), "rollout undo": ("patch",), "set env": ("patch",),
    "set image": ("patch",), "set resources": ("patch",),
}  # fmt: skip
DOUBLE = {"rollout", "set"}
# Options that take the next word, and the ones among them that a namespace follows.
VALUED = {
    "-c", "--container", "--current-replicas", "--field-selector", "--for", "--from", "-l", "-n",
    "--namespace", "-o", "--output", "-p", "--patch", "--replicas", "--selector", "--since",
    "--sort-by", "--tail", "--timeout", "--type",
}  # fmt: skip
NAMESPACE = ("-n", "--namespace")
UNKNOWN = {"-f", "--filename", "-k", "--kustomize", "-R", "--raw", "--subresource"}
WATCHES = {"-w", "--watch", "--watch-only", "--watch=true"}
EVERYWHERE = {"-A", "--all-namespaces"}


def runs_shell(container: Manifest) -> bool:
    """Whether a container's command line is given to a shell, as `sh -c` does."""
    words = [*as_list(container.get("command")), *as_list(container.get("args"))]
    texts = [as_text(word) for word in words]
    shells = any(text.rpartition("/")[2] in SHELLS for text in texts)
    return shells and any(re.fullmatch(r"-[a-z]*c", text) for text in texts)


def calls_in(script: str) -> Iterator[list[str]]:
    """The words of each call of `kubectl` in a shell's script, without itself.

    >>> list(calls_in(f"set -e; {PROGRAM} get pods && {PROGRAM} rollout restart deploy/web"))
    [['get', 'pods'], ['rollout', 'restart', 'deploy/web']]
    """
    for line in re.split(r"&&|\|\|?|;|\n", script.replace("\\\n", " ")):
        try:
            words = shlex.split(line, comments=True)
        except ValueError:  # a quote that is closed in another part
            continue
        while words and words[0] in {"if", "while", "until", "then", "do", "!", "exec", "else"}:
            words = words[1:]
        if words and words[0].rpartition("/")[2] == PROGRAM:
            yield words[1:]


def asked_rights(words: list[str], namespace: str) -> list[tuple[str, str]]:
    """(verb, resource) of each request that a call needs; none of a call that is not known.

    >>> asked_rights(["-n", "shop", "rollout", "restart", "deployment/web"], "shop")
    [('get', 'deployments'), ('patch', 'deployments')]
    """
    plain, options = _sorted(words)
    if plain is None or options.get("namespace", namespace) != namespace:
        return []
    size = 2 if plain[:1] and plain[0] in DOUBLE else 1
    action, rest = " ".join(plain[:size]), plain[size:]
    if action in {"exec", "logs"}:
        return _of_pods(action, rest)
    kind, _, name = (rest[0] if rest else "").partition("/")
    plural = PLURALS.get(kind, "")
    named = bool(name) or len(rest) > 1
    return (
        [(verb, plural + part) for verb, part in _needs(action, options, named)] if plural else []
    )


def _needs(action: str, options: dict[str, str], named: bool) -> list[tuple[str, str]]:
    """(verb, part of the resource) that an action needs, on one that is named or on a kind."""
    looked_up = "get" if named else "list"
    if action in CHANGES:
        return [(verb, "") for verb in dict.fromkeys((looked_up, *CHANGES[action]))]
    if action == "scale":
        verb = "update" if "current-replicas" in options else "patch"
        return [("get", ""), (verb, "/scale")]
    if action in {"create", "delete"}:
        return [("list", "")] * (action == "delete" and not named) + [(action, "")]
    if action == "get":
        return [(looked_up, ""), *([("watch", "")] if "watch" in options else [])]
    return []


def _of_pods(action: str, rest: list[str]) -> list[tuple[str, str]]:
    """What `exec` and `logs` need, of a pod or of a workload's first one."""
    kind, slash, _ = (rest[0] if rest else "").partition("/")
    plural = PLURALS.get(kind, "") if slash else PODS
    if not plural or not kind:
        return []
    found = [("get", plural)] if plural == PODS else [("get", plural), ("list", PODS)]
    part = ("create", "pods/exec") if action == "exec" else ("get", "pods/log")
    return [*found, part]


def _sorted(words: list[str]) -> tuple[list[str] | None, dict[str, str]]:
    """(words that are not options, what some options say); None where an option is not known."""
    plain: list[str] = []
    options: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if word == "--":
            break
        if not word.startswith("-"):
            plain.append(word)
            continue
        if name in UNKNOWN or (len(word) == 2 and word not in {*VALUED, *WATCHES, *EVERYWHERE}):
            return None, {}
        if name in VALUED and not equals:
            value = next(rest, "")
        if name in NAMESPACE:
            options["namespace"] = value
        if name in EVERYWHERE:
            options["namespace"] = "*"
        if word in WATCHES:
            options["watch"] = "true"
        if name == "--current-replicas":
            options["current-replicas"] = value
    return plain, options
