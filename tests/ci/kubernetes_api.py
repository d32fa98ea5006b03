"""A Kubernetes API server of a test's own, with nodes and pods, which the real kubectl can read."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Json = dict[str, Any]

KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "{server}"}}}}]
contexts: [{{name: c, context: {{cluster: c, user: u}}}}]
users: [{{name: u, user: {{}}}}]
current-context: c
"""
PODS = "/api/v1/namespaces/coworking-prod/pods"
VERBS = ["delete", "get", "list", "patch", "update", "watch"]
RESOURCES = [
    {"name": "nodes", "singularName": "node", "kind": "Node", "namespaced": False, "verbs": VERBS},
    {"name": "pods", "singularName": "pod", "kind": "Pod", "namespaced": True, "verbs": VERBS},
]


def node(name: str, ready: str = "True", **spec: Any) -> Json:
    """A Node as the API server has it; a silent one as the node lifecycle controller leaves it."""
    silent = ready == "Unknown"
    condition = {
        "type": "Ready",
        "status": ready,
        "lastHeartbeatTime": "2026-11-28T20:59:10Z",
        "lastTransitionTime": "2026-11-28T21:00:00Z" if silent else "2026-11-28T20:00:00Z",
        "reason": "NodeStatusUnknown" if silent else "KubeletReady",
        "message": "Kubelet stopped posting node status." if silent else "kubelet is posting ready",
    }
    taints = [
        {"key": "node.kubernetes.io/unreachable", "effect": "NoSchedule"},
        {
            "key": "node.kubernetes.io/unreachable",
            "effect": "NoExecute",
            "timeAdded": "2026-11-28T21:00:05Z",
        },
    ]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "uid": name},
        "spec": {"providerID": f"aws:///us-east-1a/i-0{name}"}
        | ({"taints": taints} if silent else {})
        | spec,
        "status": {"conditions": [{"type": "MemoryPressure", "status": "Unknown"}, condition]},
    }


def pod(name: str, on: str, *, owner: str = "ReplicaSet", ready: str = "True", **meta: Any) -> Json:
    """A Pod as the API server has it; `namespace`, `deletionTimestamp` and such come as `meta`."""
    metadata = {
        "name": name,
        "namespace": "coworking-prod",
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": owner, "name": "o", "uid": "1", "controller": True}
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | meta,
        "spec": {
            "nodeName": on,
            "terminationGracePeriodSeconds": 60,
            "containers": [{"name": name}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]},
    }


def terminating(name: str, on: str, **options: Any) -> Json:
    """A pod that was deleted at 21:00:35 with a grace period of 60 s."""
    times = {"deletionTimestamp": "2026-11-28T21:01:35Z", "deletionGracePeriodSeconds": 60}
    return pod(name, on, ready="False", **times, **options)


class KubernetesApi:
    """An API server that lists these objects, and answers 404 or 403 as a real one does.

    Attributes:
        items: the nodes and pods it has.
        forbidden: whether this user may list nothing.
        logs: what the kubelet has of each container of prod's, by `pod/container`.
    """

    def __init__(self, folder: Path, items: list[Json]) -> None:
        self.items = items
        self.forbidden = False
        self.logs: dict[str, str] = {}
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                code, body = api.respond(path.rstrip("/"), urllib.parse.parse_qs(query))
                is_text = isinstance(body, str)
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Type", "text/plain" if is_text else "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_arguments: object) -> None:
                """Tests print nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.kubeconfig = folder / "kubeconfig"
        url = f"http://127.0.0.1:{self._server.server_port}"
        self.kubeconfig.write_text(KUBECONFIG.format(server=url), encoding="utf-8")

    def respond(self, path: str, query: dict[str, list[str]]) -> tuple[int, Json | str]:
        """The status and the body of the answer to a path."""
        known: dict[str, Json] = {
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
            "/api/v1": {
                "kind": "APIResourceList",
                "groupVersion": "v1",
                "resources": RESOURCES,
            },
        }
        if path in known:
            return 200, known[path]
        if path.startswith(f"{PODS}/"):
            return self._one(path.removeprefix(f"{PODS}/"), query)
        kind = {"/api/v1/nodes": "Node", "/api/v1/pods": "Pod", PODS: "Pod"}.get(path)
        if kind is None:
            return 404, _failure(404, "NotFound", "the server could not find what was asked for")
        if self.forbidden:
            message = f'{path.rpartition("/")[2]} is forbidden: User "u" cannot list resource'
            return 403, _failure(403, "Forbidden", message)
        listed = [
            {key: value for key, value in item.items() if key not in ("kind", "apiVersion")}
            for item in self.items
            if item["kind"] == kind and _is_selected(item, query)
        ]
        return 200, {"kind": f"{kind}List", "apiVersion": "v1", "metadata": {}, "items": listed}

    def _one(self, path: str, query: dict[str, list[str]]) -> tuple[int, Json | str]:
        """A pod of prod's, or the log of one of its containers."""
        name, _, rest = path.partition("/")
        for item in self.items:
            if item["kind"] == "Pod" and item["metadata"]["name"] == name:
                if not rest:
                    return 200, item
                asked = f"{name}/{query['container'][0]}"
                assert query["timestamps"] == ["true"]
                return 200, self.logs[asked]
        return 404, _failure(404, "NotFound", f'pods "{name}" not found')

    def stop(self) -> None:
        """End it; what asks it afterwards is refused."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _is_selected(item: Json, query: dict[str, list[str]]) -> bool:
    wanted = query.get("labelSelector", [""])[0]
    labels = item["metadata"].get("labels") or {}
    return not wanted or wanted in {f"{key}={value}" for key, value in labels.items()}


def _failure(code: int, reason: str, message: str) -> Json:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
