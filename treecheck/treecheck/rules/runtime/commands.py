"""Command lines that no shell reads: words that are glued, lost or left as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.kube.pod_security import on_windows
from treecheck.kube.variables import variables_of
from treecheck.kube.waves import is_hook
from treecheck.model import Problem, Severity, as_list, as_mapping, as_text, at, containers, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import FieldPath, Manifest, Resource

COMMAND = (
    "https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/"
)
HANDLERS: tuple[FieldPath, ...] = (
    ("startupProbe", "exec", "command"),
    ("readinessProbe", "exec", "command"),
    ("livenessProbe", "exec", "command"),
    ("lifecycle", "preStop", "exec", "command"),
    ("lifecycle", "postStart", "exec", "command"),
)
SHELLS = {"sh", "bash", "ash", "dash", "zsh", "busybox"}
VARIABLE = re.compile(r"(?<!\$)\$(?:\{(\w+)\}|(\w+))")


def _lines(resource: Resource) -> Iterator[tuple[FieldPath, Manifest, list[str]]]:
    """(place, container, words) of each command line that a resource's containers have."""
    if resource.pod is None or on_windows(resource.pod):
        return
    for path, container in resource.pod.containers():
        for field in (("command",), *HANDLERS):
            words = [as_text(word) for word in as_list(at(container, *field))]
            if words:
                yield (*path, *field), container, words


def _is_shell(word: str) -> bool:
    return word.rpartition("/")[2] in SHELLS


@rule("command-in-one-word", source=COMMAND)
def command_in_one_word(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A command line that is written as one word.

    The first item of `command` is the program's name, spaces included. No program is called
    "sleep 10", so the container (or its probe, or its hook) fails: no such file.
    """
    for path, container, words in _lines(resource):
        if re.search(r"\S\s+\S", words[0]):
            yield Problem(
                f"container {container.get('name')} runs a program called {words[0]!r}, spaces "
                "included, and there is none: it fails each time",
                fix="Write one list item for each word, or [sh, -c, …] for a shell's line.",
                path=(*path, 0),
            )


# A script that reads its words, or runs another file in its place, which may.
_READS_WORDS = re.compile(r"\$[\d@*{]|(?:^|[\s;&|])(?:source|\.) +\S")


@rule("shell-words-lost", source=COMMAND)
def shell_words_lost(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """Words after a shell's script that the script never sees.

    `sh -c SCRIPT WORD…` runs SCRIPT alone; the words become $0, $1 and so on. A program's options
    that are written as further items are dropped. Options of the shell itself may stand before the
    script: `bash -c -- SCRIPT`. A script that sources another file is left alone.
    """
    for path, container, words in _lines(resource):
        at = _script_at(words) if _is_shell(words[0]) and words[1:2] == ["-c"] else 0
        script, lost = words[at : at + 1] if at else [], words[at + 1 :]
        if script and lost and not _READS_WORDS.search(script[0]):
            yield Problem(
                f"the shell of container {container.get('name')} runs {script[0][:40]!r} and drops "
                f"what follows: {' '.join(lost)[:40]}",
                fix="Write the whole line as the one item after -c.",
                path=(*path, at + 1),
            )


def _script_at(words: list[str]) -> int:
    """Where the script of `sh -c` is: behind further options, as in `bash -c -- SCRIPT`."""
    for index, word in enumerate(words[2:], 2):
        if word == "--":
            return index + 1
        if not re.fullmatch(r"[-+][A-Za-z]+", word):
            return index
    return len(words)


@rule("variable-needs-shell", source=COMMAND)
def variable_needs_shell(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A `$NAME` in a command line that no shell reads.

    The kubelet replaces $(NAME), and only that. The program gets the dollar sign and the letters.
    Only variables that the container has are looked at. Several lines without a command are a
    script for the shell that the image itself starts.
    """
    pod = resource.pod
    for path, container in pod.containers() if pod else ():
        words = [
            (field, index, as_text(word))
            for field in ("command", "args")
            for index, word in enumerate(as_list(container.get(field)))
        ]
        if pod is None or any(_is_shell(w) or w == "-c" or "env" in w for _, _, w in words):
            continue
        if "command" not in container and any("\n" in word for _, _, word in words):
            continue  # a script: the image's own program is the shell
        for field, index, word in words:
            found = VARIABLE.search(word)
            name = (found[1] or found[2]) if found else ""
            if name and name in variables_of(cluster, pod, path, container).named:
                yield Problem(
                    f"container {container.get('name')} is started with {word[:60]!r} as it "
                    "stands: there is no shell to put the variable's value in",
                    fix=f"Write $({name}).",
                    path=(*path, field, index),
                )


# Names of variables whose programs put the values of others in by themselves.
OWN_PLACES = re.compile(r"SPRING_|QUARKUS_|MICRONAUT_|MP_|JAVA_|JDK_|OTEL_|LOG(GING|BACK)?_")
WHOLE = re.compile(r"(?<!\$)\$\{(\w+)\}")


@rule(
    "variable-not-replaced",
    source="https://kubernetes.io/docs/tasks/inject-data-application/"
    "define-interdependent-environment-variables/",
    severity=Severity.WARNING,
)
def variable_not_replaced(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A `${NAME}` in the value of a variable, where NAME is a variable of the same container.

    The kubelet replaces $(NAME), and only that, and no shell reads a value: the program gets the
    dollar sign and the brackets. Frameworks that replace such places by themselves, as Spring and
    Quarkus do in their own variables, are left alone, and so are values that some script gets.
    """
    pod = resource.pod
    for path, container in pod.containers() if pod else ():
        if pod is None:
            return
        named = variables_of(cluster, pod, path, container).named
        for place, entry in each(container, "env"):
            value, own = as_text(entry.get("value")), as_text(entry.get("name"))
            script = "\n" in value or bool(re.search(r"[;|`]|&&", value))
            if script or OWN_PLACES.match(own):
                continue
            name = next((found for found in WHOLE.findall(value) if found in named), "")
            if name and name != own:
                yield Problem(
                    f"{own} of container {container.get('name')} has ${{{name}}} in it, which "
                    "Kubernetes does not replace: the program gets these very letters",
                    fix=f"Write $({name}), and define {name} above it.",
                    path=(*path, *place, "value"),
                )


@rule(
    "job-never-ends",
    kinds=("Job", "CronJob"),
    source="https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#jobs-with-sidecar-containers",
)
def job_never_ends(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Job with a container that runs for ever.

    A pod has succeeded when all its containers have ended. A proxy or a `sleep infinity` beside the
    work keeps the Job Running, and a hook or the next run waits for it. As an init container with
    restartPolicy Always it is ended with the work. One container that sleeps with a deadline,
    or in a suspended CronJob, is one that people work in, unless a sync waits for it.
    """
    several = len(as_list(resource.pod.spec.get("containers"))) > 1 if resource.pod else False
    for path, container in containers(resource, "containers"):
        words = [*as_list(container.get("command")), *as_list(container.get("args"))]
        line = " ".join(map(as_text, words))
        endless = re.search(r"\bsleep (infinity|inf)\b|\btail -f /dev/null\b", line)
        proxy = re.search(
            r"/?(cloud-?sql-proxy|cloudsql-proxy|envoy|pgbouncer|istio/proxyv2|proxyv2)\b",
            as_text(container.get("image")),
        )
        quits = re.search(r"quit|exit", line) or as_mapping(container.get("lifecycle"))
        by_hand = not several and _is_worked_in(resource)
        if (endless and not by_hand) or (proxy and several and not quits):
            yield Problem(
                f"container {container.get('name')} never ends, so the Job never completes",
                fix="Make it an init container with restartPolicy: Always.",
                path=(*path, "name"),
            )


def _is_worked_in(job: Resource) -> bool:
    """Whether a Job waits for people who work in it: until a deadline, or when they start it."""
    limits = (job.spec, job.pod.spec if job.pod else {}, at(job.spec, "jobTemplate", "spec"))
    timed = any("activeDeadlineSeconds" in as_mapping(each) for each in limits)
    return not is_hook(job) and (timed or job.spec.get("suspend") is True)
