"""The calls of Argo CD's API that the verbs need, and its refusals in a person's words.

The API is that of Argo CD 3.4 (`/swagger-ui` on any server); the calls of a rollback are the ones
that its web page makes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import requests

from ci.argocd.application import time_of
from ci.argocd.away import of_a_gateway, why
from ci.argocd.login import Login, find_login, how_to_log_in
from ci.errors import CiError
from ci.hidden import hide
from ci.web import session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

Json = dict[str, Any]

TIMEOUT = 20.0  # seconds for one answer; a comparison with git can take a few


class LogLine(NamedTuple):
    """A line that a container printed, and when."""

    at: datetime
    text: str


class LogPart(NamedTuple):
    """Which lines of a log are wanted: the last ones of a container, or of its life before."""

    container: str
    lines: int
    previous: bool = False


class ArgoError(CiError):
    """Argo CD gave no usable answer.

    Attributes:
        status: the HTTP status, or 0 when there was none.
        reason: what Argo CD itself said.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "", hint: str = "") -> None:
        super().__init__(hide(message), hint=hint)
        self.status = status
        self.reason = hide(reason)


class ArgoCD:
    """One Argo CD, spoken to as one account."""

    def __init__(self, login: Login, *, timeout: float = TIMEOUT) -> None:
        self.url = login.url
        self._timeout = timeout
        self._session = session()
        self._session.headers["Authorization"] = f"Bearer {login.token}"
        # Against forged requests, Argo CD refuses whatever isn't a GET and doesn't say this (415).
        self._session.headers["Content-Type"] = "application/json"
        # Given with each request: a session's own gives way to REQUESTS_CA_BUNDLE.
        self._verify = login.verify

    def version(self) -> str:
        """The server's version, such as `v3.4.7+1a2b3c4`."""
        return str(self._call("GET", "/api/version").get("Version", ""))

    def user(self) -> Json:
        """Who we are to Argo CD: `loggedIn`, and then `username`."""
        return self._call("GET", "/api/v1/session/userinfo")

    def applications(self) -> list[Json]:
        """Every Application that this account may see."""
        return self._call("GET", "/api/v1/applications").get("items") or []

    def application(self, name: str, *, refresh: bool = False) -> Json:
        """One Application; with `refresh`, after Argo CD has looked into git again."""
        return self._call(
            "GET", f"/api/v1/applications/{name}", query={"refresh": "normal"} if refresh else None
        )

    def update(self, application: Json) -> Json:
        """Write a whole Application back, as the web page does.

        As there, with `validate=false`: otherwise Argo CD renders the spec first, and refuses while
        git or its repo server is away (argo-cd 3.4, server/application: validateAndNormalizeApp;
        ui: application-details.tsx).
        """
        name = application["metadata"]["name"]
        path = f"/api/v1/applications/{name}"
        return self._call("PUT", path, query={"validate": "false"}, body=application)

    def patch(self, name: str, change: Json) -> Json:
        """Change an Application by a JSON merge patch (RFC 7396): null removes a field."""
        body = {"name": name, "patch": json.dumps(change), "patchType": "merge"}
        return self._call("PATCH", f"/api/v1/applications/{name}", body=body)

    def rollback(self, name: str, history_id: int) -> Json:
        """Sync to an entry of the history. Hooks don't run and nothing is pruned."""
        return self._call("POST", f"/api/v1/applications/{name}/rollback", body={"id": history_id})

    def terminate(self, name: str) -> None:
        """Ask the running operation to end; that it has ended shows in its phase."""
        self._call("DELETE", f"/api/v1/applications/{name}/operation")

    def sync(self, name: str, body: Json | None = None) -> Json:
        """Start a sync to what git says."""
        return self._call("POST", f"/api/v1/applications/{name}/sync", body=body or {})

    def manifests(self, name: str, revision: str, *, within: float | None = None) -> list[Json]:
        """What Argo CD would apply for an Application at a git commit.

        Its repo server renders that, and asks git for what it has no copy of.

        Args:
            name: the Application.
            revision: the commit.
            within: seconds for the answer, if not as many as for others.
        """
        answer = self._call(
            "GET",
            f"/api/v1/applications/{name}/manifests",
            query={"revision": revision},
            within=within,
        )
        return [self._manifest(text, name) for text in answer.get("manifests") or []]

    def resource_tree(self, name: str) -> Json:
        """The live resources below an Application, its pods included, with their health."""
        return self._call("GET", f"/api/v1/applications/{name}/resource-tree")

    def resource(self, name: str, node: Mapping[str, Any]) -> Json:
        """One live resource of an Application, as the cluster has it.

        Args:
            name: the Application.
            node: its `group`, `version`, `kind`, `namespace` and `name`, as in the resource tree.
        """
        query = {
            "group": node.get("group", ""),
            "version": node["version"],
            "kind": node["kind"],
            "namespace": node["namespace"],
            "resourceName": node["name"],
        }
        answer = self._call("GET", f"/api/v1/applications/{name}/resource", query=query)
        return self._manifest(answer.get("manifest"), name)

    def _manifest(self, text: object, name: str) -> Json:
        try:
            manifest = json.loads(str(text))
        except json.JSONDecodeError:
            manifest = None
        if not isinstance(manifest, dict):
            raise ArgoError(
                f"{self.url} answered with something other than a manifest of {name}",
                hint="Ask again; if it stays so, look at argocd-server's log.",
            )
        return manifest

    def events(self, name: str, node: Mapping[str, str]) -> list[Json]:
        """The events of one resource of an Application, oldest first."""
        query = {
            "resourceUID": node.get("uid", ""),
            "resourceNamespace": node["namespace"],
            "resourceName": node["name"],
        }
        items = self._call("GET", f"/api/v1/applications/{name}/events", query=query).get("items")
        return sorted(items or [], key=lambda event: str(event.get("lastTimestamp") or ""))

    def last_log_lines(
        self, name: str, pod: Mapping[str, str], *, container: str = "", lines: int = 40
    ) -> list[str]:
        """The last lines that a pod's container printed, of its previous life if it crashed.

        Args:
            name: the Application.
            pod: its `namespace` and `name`.
            container: the container; a pod with several has no log without its name.
            lines: how many.
        """
        for previous in (True, False):
            try:
                found = self.log(name, pod, LogPart(container, lines, previous))
            except ArgoError:
                continue
            if found:
                return [line.text for line in found]
        return []

    def log(
        self,
        name: str,
        pod: Mapping[str, str],
        part: LogPart,
        *,
        within: float | None = None,
    ) -> list[LogLine]:
        """The last lines of a container's log, oldest first; none if it never ran.

        Args:
            name: the Application.
            pod: its `namespace` and `name`.
            part: which lines.
            within: seconds for the answer, if not as many as for others.
        """
        query = {
            "namespace": pod["namespace"],
            "podName": pod["name"],
            "container": part.container,
            "tailLines": str(part.lines),
            "previous": "true" if part.previous else "false",
            "follow": "false",
        }
        path = f"/api/v1/applications/{name}/logs"
        text = self._send("GET", path, query=query, within=within).text
        found = [_log_line(line) for line in text.splitlines() if line]
        return [line for line in found if line is not None]

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Json | None = None,
        body: Json | None = None,
        within: float | None = None,
    ) -> Json:
        response = self._send(method, path, query=query, body=body, within=within)
        try:
            answer = response.json()
        except requests.JSONDecodeError:
            answer = None
        if not isinstance(answer, dict):
            raise ArgoError(
                f"{self.url} answered {method} {path} with something other than JSON"
                f" ({response.headers.get('Content-Type', 'no content type')})",
                status=response.status_code,
                hint="A login page or a load balancer answers there. Check the address, and that"
                " it is Argo CD's own.",
            )
        return answer

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Json | None = None,
        body: Json | None = None,
        within: float | None = None,
    ) -> requests.Response:
        try:
            response = self._session.request(
                method,
                self.url + path,
                params=query,
                json=body,
                timeout=within or self._timeout,
                verify=self._verify,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            away = why(error, self.url)
            raise ArgoError(away.words, hint=away.hint) from error
        if not response.ok:
            raise _refusal(response, method, path, self.url)
        return response


def connect(environ: Mapping[str, str]) -> ArgoCD:
    """Return a client for the Argo CD that the environment, or `argocd login`, names."""
    return ArgoCD(find_login(environ))


def _log_line(text: str) -> LogLine | None:
    """One line of a log's answer; None for one that was cut off, or is empty.

    What has no time is Argo CD's own remark, such as that there was no previous life.
    """
    try:
        entry = json.loads(text)["result"]
        at = time_of(entry["timeStamp"])
        return LogLine(at, entry["content"]) if at and entry["content"] else None
    except (ValueError, LookupError, TypeError):
        return None


def _refusal(response: requests.Response, method: str, path: str, url: str) -> ArgoError:
    status = response.status_code
    try:
        reason = str(response.json().get("message", "")).strip()
    except (requests.JSONDecodeError, AttributeError):
        reason = ""
    if status == requests.codes.unauthorized:
        message, hint = f"Argo CD at {url} does not accept the token", how_to_log_in()
    elif status == requests.codes.forbidden:
        message = f"this account may not do that ({method} {path})"
        hint = (
            "Who may sync and roll back prod: argocd/config/argocd-rbac-cm.yaml. A missing"
            " Application also answers so to an account that may not see it."
        )
    else:
        message, hint = f"Argo CD at {url} refused {method} {path} with status {status}", ""
        hint = of_a_gateway(status)
    return ArgoError(
        f"{message}: {reason}" if reason else message, status=status, reason=reason, hint=hint
    )
