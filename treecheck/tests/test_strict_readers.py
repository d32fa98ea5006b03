"""What a strict reader of other people's trees would not call a fault, or not in those words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import FLUX, rules
from test_unknown import FRONT, HEAD, IN_SHOP, POD, application, run, write

from treecheck.blame import forget
from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather

if TYPE_CHECKING:
    from pathlib import Path

PODS = POD.replace("{name: front}", "{name: front, namespace: shop}").replace("8081", "8080")
CLOSED = (
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: shop}\n"
    "spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}\n"
)
CILIUM = (
    "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: b, namespace: PLACE}\n"
    "spec: {endpointSelector: {}, ingress: [{fromEntities: [host, remote-node]}]}\n"
)


@pytest.mark.parametrize(("place", "found"), [("shop", 0), ("bank", 1)])
def test_a_network_plugins_own_policy_may_open_what_others_close(
    place: str, found: int, tmp_path: Path
) -> None:
    service = IN_SHOP.replace("spec:\n", "spec:\n  type: NodePort\n")
    files = {"front.yaml": service, "pods.yaml": PODS, "closed.yaml": CLOSED}
    files["cilium.yaml"] = CILIUM.replace("PLACE", place)

    assert len(rules(tmp_path, files, "exposure-blocked")) == found


def test_a_plugins_policy_for_the_nodes_lets_no_pod_in(tmp_path: Path) -> None:
    asking = PODS.replace("shop}", "bank}").replace(
        "ports:", "env: [{name: A, value: 'http://front.shop'}], ports:"
    )
    files = {"a.yaml": IN_SHOP, "b.yaml": PODS, "c.yaml": asking, "d.yaml": CLOSED}
    files["cilium.yaml"] = CILIUM.replace("PLACE", "shop")

    assert rules(tmp_path, files, "network-blocked") == ["network-blocked"]
    files["cilium.yaml"] = files["cilium.yaml"].replace("host,", "cluster,")
    assert rules(tmp_path, files, "network-blocked") == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("web: {size: 1}\nweb: {size: 2}\n", "the first value is dropped"),
        ("web: {size: 1}\nweb: {size: 1}\n", ""),  # nothing is lost
        (
            "".join(f"{key}: 1\n{key}: 2\n" for key in "abcde"),
            "and so are 4 other keys of this file: the first value is dropped",
        ),
    ],
)
def test_kustomize_hands_a_charts_values_to_helm_which_takes_the_last_key(
    values: str, said: str, tmp_path: Path
) -> None:
    charts = "helmCharts: [{name: web, repo: https://charts.example.com, valuesFile: web.yaml}]\n"
    files = {"kustomization.yaml": HEAD + charts, "web.yaml": values}

    report = run(tmp_path, files, "duplicate-key")

    assert [each.message.endswith(said) for each in report.findings] == ([True] if said else [])


def test_kustomize_refuses_a_key_that_is_there_twice_with_one_value(tmp_path: Path) -> None:
    text = IN_SHOP.replace("spec:\n", "spec:\n  type: ClusterIP\n  type: ClusterIP\n")
    files = {"kustomization.yaml": HEAD + "resources: [front.yaml]\n", "front.yaml": text}

    assert rules(tmp_path, files, "duplicate-key") == ["duplicate-key"]


def test_flux_s_folder_says_which_patch_is_missing_and_who_names_it(tmp_path: Path) -> None:
    files = {
        "flux.yaml": FLUX.replace("./clusters/one", "./web/prod"),
        "web/prod/kustomization.yaml": HEAD + "resources: [../base]\n",
        "web/base/kustomization.yaml": HEAD + "resources: [a.yaml]\npatches:\n  - path: no.yaml\n",
        "web/base/a.yaml": IN_SHOP,
    }

    (found,) = run(tmp_path, files, "folder-unbuildable").findings

    assert found.message.endswith("web/base/kustomization.yaml names no.yaml, which is not there")
    assert found.line == 5


@pytest.mark.parametrize(("flux", "found"), [(FLUX, 0), ("", 1)])
def test_a_base_that_nothing_builds_on_is_left_over_where_the_tree_deploys(
    flux: str, found: int, tmp_path: Path
) -> None:
    files = {
        "clusters/one/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "clusters/one/a.yaml": IN_SHOP,
        "web/base/kustomization.yaml": HEAD + "resources: [gone.yaml]\n",
    }
    files |= {"flux.yaml": flux} if flux else {}

    assert len(rules(tmp_path, files, "folder-unbuildable")) == found


INGRESS = """
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front, namespace: shop}
spec:
  rules:
    - host: shop.example.com
      http:
        paths:
          # SAID
          - path: /later
            pathType: Prefix
            backend: {service: {name: front, port: {number: 81}}}
"""


@pytest.mark.parametrize(
    ("said", "found"), [("For later: it answers 503.", 0), ("For the front page.", 1)]
)
def test_a_path_may_answer_an_error_on_purpose(said: str, found: int, tmp_path: Path) -> None:
    files = {"a.yaml": INGRESS.replace("SAID", said), "b.yaml": IN_SHOP, "c.yaml": PODS}

    assert len(rules(tmp_path, files, "ingress-backend-missing")) == found


def test_of_a_patch_with_a_removed_api_the_base_is_named_too(tmp_path: Path) -> None:
    old = "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: tidy}\n"
    files = {
        "base/kustomization.yaml": HEAD + "resources: [tidy.yaml]\n",
        "base/tidy.yaml": old + "spec: {schedule: '0 1 * * *'}\n",
        "prod/kustomization.yaml": HEAD + "resources: [../base]\npatches: [{path: later.yaml}]\n",
        "prod/later.yaml": old + "spec: {schedule: '0 2 * * *'}\n",
    }

    (found,) = run(tmp_path, files, "removed-api").findings

    assert found.file.endswith("prod/later.yaml")
    assert found.fix == "Use batch/v1, in base/tidy.yaml too."


def test_a_name_that_ends_in_a_hyphen_is_called_so(tmp_path: Path) -> None:
    files = {"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: web-}\n"}

    (found,) = run(tmp_path, files, "resource-name").findings

    assert "it begins or ends with -" in found.message


HERE = "{repoURL: https://git.example.com/shop/trees.git, path: one}"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("{repoURL: 'https://git.example.com/shop/trees', path: gone}", 1),
        ("{repoURL: 'https://git.example.com/shop/trees.git', path: gone}", 1),
        # Of a fork, or of another branch, only that can say what it has.
        ("{repoURL: 'https://git.example.com/ada/trees.git', path: gone}", 0),
        ("{repoURL: 'https://git.example.com/shop/trees.git', path: gone, targetRevision: a}", 0),
        (
            "{repoURL: 'https://git.example.com/shop/trees.git', path: gone, targetRevision: main}",
            1,
        ),
    ],
)
def test_what_another_repository_or_branch_has_is_not_known(
    source: str, found: int, tmp_path: Path
) -> None:
    fork = source.replace("path: gone", "path: one")
    files = {
        "apps/a.yaml": application("a", HERE),
        "apps/b.yaml": application("b", HERE.replace("path: one", "path: two")),
        "apps/c.yaml": application("c", fork.partition(", targetRevision")[0].rstrip("}") + "}"),
        "apps/d.yaml": application("d", source),
        "one/a.yaml": IN_SHOP,
        "two/a.yaml": IN_SHOP.replace("front", "other"),
    }

    assert len(rules(tmp_path, files, "application-path-missing")) == found


@pytest.mark.parametrize(("page", "found"), [("", 0), ("kubectl apply -f docs/web/old.yaml\n", 1)])
def test_a_manifest_among_pages_is_a_copy_unless_one_names_it(
    page: str, found: int, tmp_path: Path
) -> None:
    old = "apiVersion: batch/v1beta1\nkind: CronJob\nmetadata: {name: tidy}\nspec: {}\n"
    files = {"docs/web/old.yaml": old, "web/front.yaml": IN_SHOP, "docs/web.md": page}

    assert len(rules(tmp_path, files, "removed-api")) == found


def test_a_service_over_pods_of_a_removed_api_follows_from_that(tmp_path: Path) -> None:
    old = POD.replace("apps/v1", "extensions/v1beta1").replace(
        "  selector: {matchLabels: {app: front}}\n", ""
    )
    write(tmp_path, {"a.yaml": FRONT + "---" + old})
    forget()
    only = ["removed-api", "service-selects-nothing"]

    report = check(gather([str(tmp_path)], Facts()), Facts(), (1, 32), only=only)

    assert [each.rule for each in report.findings] == ["removed-api"]


@pytest.mark.parametrize(
    ("first", "found"), [("cat <<EOF | kubectl apply -f -\n", 0), ("cat EOF: 1: 2\n", 1)]
)
def test_a_command_with_a_manifest_in_it_is_a_script(
    first: str, found: int, tmp_path: Path
) -> None:
    assert len(rules(tmp_path, {"a.yml": first + IN_SHOP + "EOF\n"}, "not-yaml")) == found
