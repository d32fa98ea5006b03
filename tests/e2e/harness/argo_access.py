"""The way to Argo CD that each user has after bootstrap.md: port-forward and admin's password."""

from __future__ import annotations

import base64
import contextlib
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import requests

from tests.e2e.harness.cluster import Cluster, Refused, until

if TYPE_CHECKING:
    from pathlib import Path


class ArgoAccess:
    """A port-forward to argocd-server that is opened again whenever it breaks, and a session.

    Attributes:
        server: host and port, as ARGOCD_SERVER has them.
        certificate: a file with the certificate that argocd-server made for itself.
        token: admin's session.
    """

    def __init__(self, argo: Cluster, scratch: Path) -> None:
        self._argo = argo
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # The certificate that argocd-server makes for itself is also for this name.
        self.server = f"localhost:{port}"
        self.certificate = scratch / "argocd-server.crt"
        self.token = ""
        self._command = argo.command("port-forward", "service/argocd-server", f"{port}:443")
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._keep_open, daemon=True)

    @property
    def url(self) -> str:
        """Argo CD's address."""
        return f"https://{self.server}"

    @property
    def variables(self) -> dict[str, str]:
        """What `python -m ci` and the `argocd` command read."""
        return {
            "ARGOCD_SERVER": self.server,
            "ARGOCD_AUTH_TOKEN": self.token,
            "ARGOCD_OPTS": f"--server-crt {self.certificate}",
        }

    def open(self) -> None:
        """Reach argocd-server from now on, and log in."""
        self._thread.start()
        self.log_in()

    def log_in(self) -> None:
        """Wait for argocd-server, trust the certificate that it has made, and log in as admin."""
        secret = until(
            "argocd-server has a certificate",
            lambda: self._argo.get("secret", "argocd-secret").get("data", {}).get("tls.crt"),
            within=180,
        )
        self.certificate.write_bytes(base64.b64decode(secret))
        self.token = until("admin can log in", self._log_in, within=180)

    def log_in_again(self) -> None:
        """Wait for argocd-server after it was away; a session outlives it."""
        until("admin can log in again", self._log_in, within=240)

    def close(self) -> None:
        """End the port-forward."""
        self._ended.set()
        while self._thread.is_alive():
            if self._process is not None:
                self._process.terminate()
            self._thread.join(1)

    def _log_in(self) -> str:
        password = self._argo.get("secret", "argocd-initial-admin-secret")["data"]["password"]
        body = {"username": "admin", "password": base64.b64decode(password).decode()}
        with contextlib.suppress(requests.RequestException):
            answer = requests.post(
                f"{self.url}/api/v1/session", json=body, timeout=10, verify=str(self.certificate)
            )
            if answer.ok:
                return str(answer.json()["token"])
            raise Refused(f"{answer.status_code}: {answer.text}")
        return ""

    def _keep_open(self) -> None:
        while not self._ended.is_set():
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            self._process.wait()
            time.sleep(0.2)
