"""The proxy that stands in for GitHub in `make e2e`, asked by the kubectl of this environment."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.harness import upstream
from tests.e2e.harness.upstream import ROOT, Upstream
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SERVICE = "kind: Service\napiVersion: v1\nmetadata: {name: it}\nspec: {ports: [{port: 80}]}\n"
RELEASE = "https://github.com/bitnami-labs/sealed-secrets/releases/download/{}/controller.yaml"


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Upstream]:
    folder, scratch = tmp_path / "upstream", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    (folder / "sealed-secrets-v0.40.0-controller.yaml").write_text(SERVICE)
    with Upstream(folder, scratch) as running:
        yield running


def kustomize(
    folder: Path, address: str, proxy: Upstream, **variables: str
) -> subprocess.CompletedProcess[str]:
    (folder / "kustomization.yaml").write_text(f"resources:\n  - {address}\n")
    environment = {**os.environ, **proxy.variables(), "GIT_TERMINAL_PROMPT": "0", **variables}
    return subprocess.run(
        [kubectl(), "kustomize", folder],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_release_s_file_comes_from_the_folder_by_github_s_redirect(
    tmp_path: Path, proxy: Upstream
) -> None:
    done = kustomize(tmp_path, RELEASE.format("v0.40.0"), proxy)

    assert done.returncode == 0, done.stderr
    assert "name: it" in done.stdout
    path = "bitnami-labs/sealed-secrets/releases/download/v0.40.0/controller.yaml"
    assert proxy.asked == [(f"github.com/{path}", 302), (f"{upstream.RELEASES}/{path}", 200)]


def test_a_version_that_is_not_in_the_folder_is_not_found(tmp_path: Path, proxy: Upstream) -> None:
    done = kustomize(tmp_path, RELEASE.format("v0.40.1"), proxy)

    assert done.returncode != 0
    assert {status for _, status in proxy.asked} == {404}


def test_a_client_that_does_not_trust_the_authority_gets_nothing(
    tmp_path: Path, proxy: Upstream
) -> None:
    variables = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
    done = kustomize(tmp_path, RELEASE.format("v0.40.0"), proxy, **variables)

    assert done.returncode != 0
    assert proxy.asked == []


def test_every_address_that_the_tree_fetches_has_a_file() -> None:
    page = (ROOT / "argocd" / "bootstrap.md").read_text(encoding="utf-8")
    fetched = page.partition("## What is fetched")[2].count("`https://")

    assert len(upstream.names()) == fetched
    assert fetched == 3
