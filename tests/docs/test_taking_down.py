"""docs/aws.md takes everything down in the order that leaves nothing billed; e2e runs its lines."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ci.platform.environments import shared
from ci.tree.overlays import environments

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/aws.md").read_text(encoding="utf-8")
IN_KUBERNETES, WITH_AWS = re.findall(
    r"^```\n(.*?)^```",
    PAGE.split("## Taking it down")[1].split("\n## ")[0],
    re.MULTILINE | re.DOTALL,
)
APPLICATIONS = {
    file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))
    for file in (ROOT / "argocd/apps").glob("*-*.yaml")
}


def test_root_goes_first_since_it_would_make_its_children_anew() -> None:
    root, children, *_ = IN_KUBERNETES.splitlines()
    assert root == "kubectl -n argocd delete application root"
    assert set(children.split()) >= set(APPLICATIONS)


def test_it_waits_for_the_balancers_before_the_cluster_goes() -> None:
    lines = IN_KUBERNETES.splitlines()
    (wait,) = (n for n, line in enumerate(lines) if line.startswith("kubectl wait service"))
    assert "--field-selector spec.type=LoadBalancer --for=delete" in lines[wait]
    assert wait > next(n for n, line in enumerate(lines) if "coworking-prod" in line)
    assert WITH_AWS.startswith("eksctl delete cluster")
    assert "aws cloudformation delete-stack" in WITH_AWS.splitlines()[1]


def test_only_a_kept_database_outlives_its_application_and_is_stopped_by_hand() -> None:
    kept = {name for name, body in APPLICATIONS.items() if "finalizers" not in body["metadata"]}
    keeping = [name for name in environments() if shared.keeps_data(name, ROOT)]
    assert "prod" in keeping
    assert kept == {f"postgres-{name}" for name in keeping}
    for name in keeping:
        scale = f"kubectl -n coworking-{name} scale statefulset postgresql --replicas=0\n"
        assert scale in IN_KUBERNETES
