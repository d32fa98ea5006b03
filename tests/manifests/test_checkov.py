"""checkov's checks of Kubernetes manifests, on both environments; `make checkov` installs it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from ci.tree.overlays import environments
from treecheck.kustomize import render

ROOT = Path(__file__).parents[2]
CHECKOV = ROOT / ".venv-checkov/bin/checkov"


@pytest.mark.skipif(not CHECKOV.exists(), reason="checkov is not installed: run `make checkov`")
def test_checkov_finds_nothing_but_what_is_listed_with_its_reason(tmp_path: Path) -> None:
    for environment in environments():
        rendered = render(ROOT / "overlays" / environment)
        (tmp_path / f"{environment}.yaml").write_text(rendered, encoding="utf-8")
    options = ["--framework=kubernetes", "--output=json", "--quiet", "--skip-download"]
    done = subprocess.run(
        [CHECKOV, *options, f"--directory={tmp_path}"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"LOG_LEVEL": "ERROR"},
    )
    report = json.loads(done.stdout)
    listed = yaml.safe_load((Path(__file__).parent / "checkov.yaml").read_text())
    failed: dict[str, set[str]] = {}
    for check in report["results"]["failed_checks"]:
        failed.setdefault(check["check_id"], set()).add(
            f"{check['resource']}: {check['check_name']}"
        )

    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 500
    assert {name: found for name, found in failed.items() if name not in listed} == {}
    assert listed.keys() == failed.keys()
