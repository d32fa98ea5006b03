"""A cluster that unseals, mounts and syncs as slowly as a real one, on a real PostgreSQL.

What the real parts do and when, with no kindness: Argo CD looks at git now and then, and calls the
SealedSecret healthy by what its controller said of the one before; the controller unseals later;
each node shows a pod a changed Secret at a time of its own; a Job's pod starts only when the Secret
has all that it mounts, and may be killed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import yaml

from tests.app.service.kubelet import Mount
from tests.ci.tree.test_seal import open_sealed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.ci.argocd_server import Git

FILES = "overlays/prod/postgres"
JOB = "coworking-change-password"
LABEL = "coworking-prod/coworking-secret"
# As the Job runs it, except that it waits a shorter time until it is sure that nobody is left out.
COMMAND = (
    "import sys; from coworking import change_password, cli;"
    " change_password.POLL, change_password.SETTLED = 0.02, 0.1;"
    " sys.argv[1:] = ['change-password', '--within', '20']; cli.main()"
)


class SecretCluster:
    """postgres-prod and all that happens to its Secret.

    Attributes:
        health: what Argo CD calls the Application.
        pods: the mounts of the running pods.
        secret: what the Secret has.
        attempts: how often the Job's container was started.
        fail_jobs: how many of its next attempts are killed.
    """

    def __init__(self, git: Git, folder: Path, variables: dict[str, str]):
        self.health = "Healthy"
        self.git, self.folder, self.variables = git, folder, variables
        self.chance = random.Random(20261129)
        self.secret: dict[str, str] = {}
        self.pods: list[Mount] = []
        self.attempts = self.fail_jobs = 0
        self.log: list[str] = []
        self.paused = False
        self._generation = self._observed = 0
        self._sealed: dict[str, str] = {}
        self._seen = ""
        self._operation: dict[str, Any] = {}
        self._asked = False
        self._due: list[tuple[float, Any]] = []
        self._job: subprocess.Popen[str] | None = None
        self._mount: Mount | None = None
        self._lock = threading.RLock()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        """Bring up what git says, at once, then live on."""
        self._seen = self.git.tip()
        self._sealed = self._at(self._seen, "sealedsecret.yaml")["spec"]["encryptedData"]
        self._generation = self._observed = 1
        self.secret = self._opened(self._sealed)
        self._operation = _operation(self._seen, "Succeeded", "")
        self._thread.start()

    def stop(self) -> None:
        self._enough.set()
        self._thread.join()
        if self._job is not None:
            self._job.kill()
            self._job.wait()

    def mount(self) -> Mount:
        """A pod's mount, from now on kept up to date late."""
        with self._lock:
            self.pods.append(Mount(self.folder / f"pod-{len(self.pods)}", self.secret))
            return self.pods[-1]

    # --- what happens by itself ------------------------------------------------------------------

    def _run(self) -> None:
        while not self._enough.wait(0.02):
            with self._lock:
                now = time.monotonic()
                for moment, action in [each for each in self._due if each[0] <= now]:
                    self._due.remove((moment, action))
                    action()
                if not self.paused:
                    self._look()

    def _later(self, most: float, action: Any) -> None:
        self._due.append((time.monotonic() + self.chance.uniform(0, most), action))

    def _look(self) -> None:
        if self._operation["phase"] == "Running":
            self._go_on()
        elif self._asked or (self.chance.random() < 0.05 and self.git.tip() != self._seen):
            self._asked = False
            self._seen = self.git.tip()
            self._sync(self._seen)

    def _sync(self, revision: str) -> None:
        sealed = self._at(revision, "sealedsecret.yaml")["spec"]["encryptedData"]
        if sealed != self._sealed:
            self._sealed = sealed
            self._generation += 1
            self._later(0.6, lambda at=self._generation: self._unseal(at))
        self._operation = _operation(revision, "Running", "")
        self._mount, self._job, self._tries = None, None, 0
        if not self._at(revision, "rotation/kustomization.yaml").get("components"):
            self._operation = _operation(revision, "Succeeded", "")

    def _unseal(self, generation: int) -> None:
        if generation != self._generation:
            return
        self.secret = self._opened(self._sealed)
        self._observed = generation
        for pod in self.pods:
            self._later(0.8, lambda pod=pod: pod.write(self.secret))

    def _go_on(self) -> None:
        """The Job's pod: waits for its entries, runs, and is started again when it failed."""
        if self._job is None:
            if {"DB_PASSWORD", "DB_PASSWORD_NEXT"} <= self.secret.keys():
                self.attempts += 1
                self._start_job()
            return
        if self.fail_jobs and self.chance.random() < 0.1:
            self.fail_jobs -= 1
            self._job.kill()
        status = self._job.poll()
        if status is None:
            return
        self.log += (self._job.stdout.read() if self._job.stdout else "").splitlines()
        self._job, self._tries = None, self._tries + 1
        if status == 0 or self._tries > 2:
            phase = "Succeeded" if status == 0 else "Failed"
            self._operation = _operation(self._operation["syncResult"]["revision"], phase, phase)

    def _start_job(self) -> None:
        self._mount = Mount(self.folder / f"job-{self.attempts}", self.secret)
        file = str(self._mount.folder / "DB_PASSWORD")
        self._job = subprocess.Popen(
            [sys.executable, "-c", COMMAND],
            env=os.environ | self.variables | {"DB_PASSWORD_FILE": file},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _at(self, revision: str, name: str) -> Any:
        return yaml.safe_load(self.git.read(f"{FILES}/{name}", revision))

    def _opened(self, sealed: dict[str, str]) -> dict[str, str]:
        return {name: open_sealed(value, LABEL) for name, value in sealed.items()}

    # --- what Argo CD's API answers --------------------------------------------------------------

    def routes(self, app: dict[str, Any], query: dict[str, list[str]]) -> dict[str, Any]:
        """The answers about postgres-prod."""
        path = "/postgres-prod"
        return {
            f"GET {path}": lambda: self._application(app),
            f"POST {path}/sync": self._ask,
            f"GET {path}/resource": self._resource,
            f"GET {path}/resource-tree": lambda: {"nodes": self._nodes()},
            f"GET {path}/events": lambda: {"items": []},
            f"GET {path}/logs": lambda: b"\n".join(
                json.dumps(
                    {"result": {"content": line, "timeStamp": "2026-11-29T10:00:00Z"}}
                ).encode()
                for line in self.log[-int(query["tailLines"][0]) :]
            ),
        }

    def _application(self, app: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            app["status"]["sync"] = {"status": "Synced", "revision": self._seen}
            app["status"]["operationState"] = json.loads(json.dumps(self._operation))
            if self._asked:
                app["operation"] = {}
            return app

    def _ask(self) -> Any:
        with self._lock:
            if self._operation["phase"] == "Running":
                return 400, "another operation is already in progress"
            self._asked = True
            return {}

    def _resource(self) -> Any:
        with self._lock:
            found = {
                "metadata": {"generation": self._generation},
                "spec": {"encryptedData": self._sealed},
                "status": {
                    "observedGeneration": self._observed,
                    "conditions": [{"type": "Synced", "status": "True"}],
                },
            }
            return {"manifest": json.dumps(found)}

    def _nodes(self) -> list[dict[str, Any]]:
        pod = {"kind": "Pod", "version": "v1", "namespace": "coworking-prod", "uid": "j"}
        return [pod | {"name": f"{JOB}-x2x8z"}] if self.attempts else []


def _operation(revision: str, phase: str, job: str) -> dict[str, Any]:
    done = [{"kind": "Job", "name": JOB, "hookType": "Sync", "hookPhase": job}] if job else []
    if job == "Failed":
        done[0] |= {"message": "Job has reached the specified backoff limit"}
    return {
        "phase": phase,
        "message": "",
        "syncResult": {"revision": revision, "resources": done},
        "startedAt": "2026-11-29T00:00:00Z",
    }
