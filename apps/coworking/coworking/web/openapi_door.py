"""What access keys add to the OpenAPI document: the scheme, who needs it, and the refusals."""

from __future__ import annotations

from typing import Any

from coworking.web.edge import PROBES
from coworking.web.problems import PROBLEM_TYPE

SCHEME = "accessKey"
SCHEMES: dict[str, Any] = {
    SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "description": "An access key, where the operator has set some; see `coworking new-key`.",
    }
}
ALSO_FOR_STRANGERS = frozenset({"/version"})
ALWAYS_CLOSED = frozenset({"/api/v1/members"})
REFUSALS = {
    "400": "The header `Authorization` can't be read.",
    "401": "An access key is needed, or the one that was sent is not valid.",
}


def closed(paths: dict[str, Any]) -> dict[str, Any]:
    """The parts of a document that differ where a key is needed: `paths` and `security`."""
    return {
        "paths": {path: _closed(path, item) for path, item in paths.items()},
        "security": [{SCHEME: []}],
    }


def opened(paths: dict[str, Any]) -> dict[str, Any]:
    """The same where no key is set: without what needs one all the same, and so never answers."""
    return {"paths": {path: item for path, item in paths.items() if path not in ALWAYS_CLOSED}}


def _closed(path: str, item: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = item["get"]
    if path in PROBES:
        return {**item, "get": {**operation, "security": []}}
    if path in ALSO_FOR_STRANGERS:
        return {**item, "get": {**operation, "security": [{}, {SCHEME: []}]}}
    responses = {**_refusals(path), **operation["responses"]}
    return {**item, "get": {**operation, "responses": responses}}


def _refusals(path: str) -> dict[str, Any]:
    if path.startswith("/api/v1/"):
        content: dict[str, Any] = {
            PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}
        }
    else:
        content = {"text/plain": {"schema": {"type": "string"}}}
        if path == "/openapi/":  # a browser is shown the login
            content["text/html"] = {"schema": {"type": "string"}}
    return {status: {"description": text, "content": content} for status, text in REFUSALS.items()}
