"""What a generator makes of a file is read as Kubernetes reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import rules

if TYPE_CHECKING:
    from pathlib import Path

LOGIN = json.dumps({"auths": {"registry.example.com": {"auth": "x" * 80}}})


@pytest.mark.parametrize(("text", "found"), [(LOGIN, 0), ("not JSON " * 20, 1)])
def test_kustomize_writes_a_long_value_in_lines(text: str, found: int, tmp_path: Path) -> None:
    generator = "files: [.dockerconfigjson=login.json], type: kubernetes.io/dockerconfigjson"
    files = {
        "kustomization.yaml": f"secretGenerator: [{{name: registry, {generator}}}]\n",
        "login.json": text,
    }

    assert rules(tmp_path, files, "secret-type") == ["secret-type"] * found
