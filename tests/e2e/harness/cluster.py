"""The cluster, by kubectl; and waiting for a named condition with a deadline."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

from ci.argocd.client import ArgoError
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]


class Refused(Exception):  # noqa: N818 - often what a test waits for
    """The API server, or kubectl, refused; the message is its own."""


def until(what: str, condition: Callable[[], Any], *, within: float, poll: float = 0.5) -> Any:
    """Wait until `condition` returns something true, and return that.

    Raises:
        TimeoutError: it isn't true `within` that many seconds; the message names `what` and the
            last thing that `condition` returned or raised.
    """
    deadline = time.monotonic() + within
    last: Any = None
    while True:
        try:
            last = condition()
        except (Refused, ArgoError) as refusal:
            last = refusal
        else:
            if last:
                return last
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within:.0f} s (last: {last!r})")
        time.sleep(poll)


class Cluster:
    """kubectl, in one namespace or in none."""

    def __init__(self, namespace: str = "") -> None:
        self.namespace = namespace

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 120) -> str:
        """Run kubectl and return what it prints."""
        done = subprocess.run(
            self.command(*arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0:
            raise Refused(done.stderr.strip() or done.stdout.strip())
        return done.stdout

    def command(self, *arguments: str) -> list[str]:
        """The command line that `run` runs."""
        chosen = ["--namespace", self.namespace] if self.namespace else []
        return [str(kubectl()), *chosen, *arguments]

    def get(self, kind: str, name: str = "", *options: str) -> Json:
        """Read one object, or a list of them."""
        answer: Json = json.loads(
            self.run("get", kind, *([name] if name else []), *options, "-o", "json")
        )
        return answer

    def items(self, kind: str, *options: str) -> list[Json]:
        """Read the objects of a kind."""
        found: list[Json] = self.get(kind, "", *options)["items"]
        return found

    def exists(self, kind: str, name: str) -> bool:
        """Whether there is such an object."""
        return bool(self.run("get", kind, name, "--ignore-not-found", "-o", "name").strip())

    def apply(self, *objects: Json) -> None:
        """Apply objects."""
        self.run(
            "apply",
            "-f",
            "-",
            stdin=json.dumps({"kind": "List", "apiVersion": "v1", "items": list(objects)}),
        )

    def patch(self, kind: str, name: str, change: Json) -> None:
        """Change an object by a merge patch."""
        self.run("patch", kind, name, "--type=merge", "-p", json.dumps(change))

    def delete(self, kind: str, name: str, *options: str) -> None:
        """Delete an object and wait until it is gone; one that isn't there is fine."""
        self.run("delete", kind, name, "--ignore-not-found", *options, timeout=180)

    def execute(self, pod: str, *command: str, stdin: str | None = None) -> str:
        """Run a command in a pod (or `deployment/NAME`) and return what it prints."""
        stdin_option = ["-i"] if stdin is not None else []
        return self.run("exec", *stdin_option, pod, "--", *command, stdin=stdin)

    # --- the service ------------------------------------------------------------------------------

    def pods(self, component: str = "web") -> list[Json]:
        """The pods of a component that aren't on their way out."""
        pods = self.items("pods", "-l", f"app.kubernetes.io/component={component}")
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def ready_pods(self, component: str = "web") -> list[Json]:
        """Those of them that are ready."""
        return [pod for pod in self.pods(component) if is_ready(pod)]

    def serving(self, tag: str) -> bool:
        """Whether all pods of the service are ready and of that tag, and none is of another."""
        pods = self.pods()
        return bool(pods) and all(is_ready(pod) and image_tag(pod) == tag for pod in pods)

    def sql(self, statement: str) -> str:
        """Ask the database, as its administrator on the socket of its own pod."""
        command = (
            "psql",
            "-h",
            "127.0.0.1",
            "-U",
            "coworking",
            "-d",
            "coworking",
            "-tAc",
            statement,
        )
        script = 'export PGPASSWORD="$(cat /run/secrets/coworking/DB_PASSWORD)"; exec "$@"'
        return self.execute("postgresql-0", "sh", "-c", script, "sh", *command).strip()


def is_ready(pod: Json) -> bool:
    """Whether a pod has its Ready condition."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def image_tag(pod: Json) -> str:
    """The tag of a pod's first container."""
    return str(pod["spec"]["containers"][0]["image"]).rpartition(":")[2]


def uids(pods: list[Json]) -> set[str]:
    """Who the pods are."""
    return {pod["metadata"]["uid"] for pod in pods}
