"""A fork without the internet has upstream's files in its tree: the checks stay green."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Where each file goes, and the start of its name in the folder that the environment names.
PLACES = {
    "argocd/install": "argo-cd-",
    "argocd/addons/sealed-secrets": "sealed-secrets-",
    "argocd/addons/metrics-server": "metrics-server-",
}
UPSTREAM = os.environ.get("E2E_UPSTREAM")


@pytest.mark.skipif(not UPSTREAM, reason="E2E_UPSTREAM doesn't name a folder of upstream's files")
def test_nothing_is_found_in_a_tree_with_upstreams_own_files(tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", ROOT, tmp_path], check=True)
    for folder, start in PLACES.items():
        (file,) = Path(str(UPSTREAM)).glob(f"{start}*.yaml")
        shutil.copy(file, tmp_path / folder / "upstream.yaml")
        kustomization = tmp_path / folder / "kustomization.yaml"
        text, count = re.subn(r"- https://\S+", "- upstream.yaml", kustomization.read_text())
        assert count == 1, f"{folder} fetches {count} files"
        kustomization.write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "ci", "validate"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{tmp_path / 'treecheck'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    looked_at = re.search(r"(\d+) resources", done.stdout)
    assert looked_at, done.stdout
    assert int(looked_at[1]) > 100, done.stdout  # upstream's own are among them
