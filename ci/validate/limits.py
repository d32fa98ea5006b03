"""What the API server demands of single fields beyond its published schema, as data.

A definition of Kubernetes' OpenAPI document -> a field -> keywords of JSON Schema. `schemas` writes
them into the definition, wherever it is used. Source of every line: the validation of that type in
Kubernetes (pkg/apis/*/validation) and the field's own documentation.
"""

from __future__ import annotations

from typing import Any

_CORE = "io.k8s.api.core.v1."


def _one_of(*values: str) -> dict[str, Any]:
    return {"enum": list(values)}


LIMITS: dict[str, dict[str, dict[str, Any]]] = {
    _CORE + "Container": {"imagePullPolicy": _one_of("Always", "IfNotPresent", "Never")},
}
