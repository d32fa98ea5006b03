"""What further trees mean: another program's kinds, encrypted files, lessons, what people make."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_strangers_trees import rules
from test_unknown import HEAD, IN_SHOP, POD, application, run

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "apiVersion: v1\nkind: KIND\nmetadata: {name: a}\nspec: {}\n"
SEALED = (
    "apiVersion: ENC[AES256_GCM,data:Zm9v,iv:YQ==,tag:Yg==,type:str]\n"
    "kind: ENC[AES256_GCM,data:YmFy,iv:YQ==,tag:Yg==,type:str]\nclusters: []\n"
)
SET = (
    "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\n"
    "spec:\n  serviceName: db\n  selector: {matchLabels: {app: LABEL}}\n"
    "  template:\n    metadata: {labels: {app: LABEL}}\n"
    "    spec: {containers: [{name: db, image: 'registry.example.com/db:1'}]}\n"
    "---\napiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n"
    "spec: {clusterIP: None, selector: {app: SELECTED}, ports: [{port: 5432}]}\n"
)
READER = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: reader}\n"
    "spec:\n  containers: [{name: a, image: a, volumeMounts: [{name: d, mountPath: /d}]}]\n"
    "  volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]\n"
)
CLAIM = (
    "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: NAME, namespace: stock}\n"
    "spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}\n"
)


@pytest.mark.parametrize(
    ("kinds", "found"),
    [
        (["VirtualNetwork", "VpnTunnel", "Server"], 0),
        (["VirtualNetwork", "Server"], 2),
        (["Servise", "Confgmap"], 2),
    ],
)
def test_another_program_may_call_its_own_api_v1(
    kinds: list[str], found: int, tmp_path: Path
) -> None:
    files = {f"{kind}.yaml": OTHER.replace("KIND", kind) for kind in kinds}

    assert rules(tmp_path, files, "unknown-kind") == ["unknown-kind"] * found


def test_a_file_that_sops_encrypted_as_a_whole_is_no_manifest(tmp_path: Path) -> None:
    assert run(tmp_path, {"kubeconfig.enc.yaml": SEALED}).findings == []


@pytest.mark.parametrize(("selected", "found"), [("b", 0), ("other", 1)])
def test_each_lesson_has_a_service_of_its_own(selected: str, found: int, tmp_path: Path) -> None:
    files = {
        "lesson-1/db.yaml": SET.replace("LABEL", "a").replace("SELECTED", "a"),
        "lesson-2/db.yaml": SET.replace("LABEL", "b").replace("SELECTED", selected),
    }

    names = rules(tmp_path, files, "governing-service-missing")

    assert names == ["governing-service-missing"] * found


@pytest.mark.parametrize(("allowed", "found"), [("shop.git", 0), ("other.git", 2)])
def test_lessons_share_what_a_cluster_has_once(allowed: str, found: int, tmp_path: Path) -> None:
    own = application("shop", "{repoURL: 'https://git.example.com/shop.git', path: gone}")
    own = own.replace("project: default", "project: shop")
    project = (
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\n"
        "metadata: {name: shop, namespace: argocd}\n"
        f"spec: {{sourceRepos: ['https://git.example.com/{allowed}'],"
        " destinations: [{server: '*', namespace: '*'}]}\n"
    )
    files = {"one/a.yaml": own, "two/a.yaml": own, "projects/shop.yaml": project}

    names = rules(tmp_path, files, "project-forbids-source")

    assert names == ["project-forbids-source"] * found


@pytest.mark.parametrize(("name", "found"), [("data", 0), ("other", 1)])
def test_a_pod_without_a_namespace_may_land_where_its_claim_is(
    name: str, found: int, tmp_path: Path
) -> None:
    files = {"jobs/a.yaml": READER, "b/claim.yaml": CLAIM.replace("NAME", name)}

    assert rules(tmp_path, files, "claim-missing") == ["claim-missing"] * found


@pytest.mark.parametrize(("comment", "found"), [("# First: kubectl -n shop", 0), ("# No", 1)])
def test_a_comment_says_how_to_make_what_is_missing(
    comment: str, found: int, tmp_path: Path
) -> None:
    pod = POD.replace(
        "{name: front, image", "{envFrom: [{configMapRef: {name: script}}], name: a, image"
    )
    text = f"{comment} create configmap script --from-file=run.py\n{pod}"

    assert rules(tmp_path, {"a.yaml": text}, "config-missing") == ["config-missing"] * found


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(("other", "found"), [("shop", 1), ("", 0)])
def test_pods_of_a_namespace_in_which_nothing_of_the_tree_runs_come_from_elsewhere(
    other: str, found: int, listed: bool, tmp_path: Path
) -> None:
    policy = (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
        "metadata: {name: web, namespace: shop}\n"
        "spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]}\n"
    )
    files = {"a.yaml": policy}
    if other:
        files["b.yaml"] = POD.replace("{name: front}", f"{{name: front, namespace: {other}}}")
    if listed:
        files["kustomization.yaml"] = f"resources: [{', '.join(sorted(files))}]\n"

    names = rules(tmp_path, files, "network-policy-selects-nothing")

    assert names == ["network-policy-selects-nothing"] * found


@pytest.mark.parametrize(("text", "found"), [("networking: {}", 0), ("spec: {}", 1)])
def test_what_has_neither_metadata_nor_a_spec_is_a_programs_file(
    text: str, found: int, tmp_path: Path
) -> None:
    body = f"apiVersion: plans.example.com/v1alpha1\nkind: Plan\n{text}\n"

    names = rules(tmp_path, {"a.yaml": body}, "nameless-manifest")

    assert names == ["nameless-manifest"] * found


@pytest.mark.parametrize(
    ("folder", "found"),
    [("fixtures", 0), ("with_schema_error", 0), ("broken-pods", 0), ("error-pages", 1)],
)
def test_a_fault_that_somebody_shows_is_meant(folder: str, found: int, tmp_path: Path) -> None:
    files = {f"{folder}/a.yaml": "apiVersion: v1\nkind: Confgmap\nmetadata: {name: a}\n"}
    if folder != "fixtures":
        files["front/a.yaml"] = POD

    assert rules(tmp_path, files, "unknown-kind") == ["unknown-kind"] * found


@pytest.mark.parametrize(("name", "found"), [("edge-istio", 0), ("edge-other", 1)])
def test_a_gateway_has_a_service_of_its_own(name: str, found: int, tmp_path: Path) -> None:
    text = (
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\n"
        "metadata: {name: edge, namespace: shop}\n"
        "spec: {gatewayClassName: istio, listeners: [{name: a, port: 80, protocol: HTTP}]}\n---\n"
        "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\n"
        "metadata: {name: inbound, namespace: shop}\n"
        f"spec: {{rules: [{{backendRefs: [{{name: {name}, port: 80}}]}}]}}\n"
    )
    files = {"a.yaml": text, "b.yaml": IN_SHOP}

    names = rules(tmp_path, files, "route-backend-missing")

    assert names == ["route-backend-missing"] * found


@pytest.mark.parametrize(("group", "found"), [("inventory", 0), ("inventory.example.org", 1)])
def test_a_group_without_a_dot_is_another_programs(group: str, found: int, tmp_path: Path) -> None:
    """No CustomResourceDefinition may have one: https://github.com/kubernetes/apiextensions-apiserver."""
    text = f"apiVersion: {group}/v1\nkind: Item\nmetadata: {{name: Some Item, namespace: store}}\n"

    assert rules(tmp_path, {"item.yaml": text}, "resource-name") == ["resource-name"] * found


@pytest.mark.parametrize(
    ("folder", "found"), [("overlays/kind", 0), ("test/e2e-db", 0), ("overlays/prod", 1)]
)
def test_a_database_of_a_developers_machine_keeps_nothing(
    folder: str, found: int, tmp_path: Path
) -> None:
    database = POD.replace("image: ", "env: [{name: POSTGRES_PASSWORD, value: a}], image: ")
    files = {
        f"{folder}/kustomization.yaml": f"{HEAD}namespace: shop\nresources: [db.yaml]\n",
        f"{folder}/db.yaml": database.replace("registry.example.com/front:1.4.2", "postgres:15.8"),
        "overlays/dev/service.yaml": IN_SHOP,
        "web/service.yaml": IN_SHOP.replace("front", "other"),
    }

    names = rules(tmp_path, files, "data-outside-volume")

    assert names == ["data-outside-volume"] * found


@pytest.mark.parametrize(("names", "found"), [("abc", 0), ("ab", 2)])
def test_plain_files_that_ask_for_many_secrets_have_them_elsewhere(
    names: str, found: int, tmp_path: Path
) -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {0}, namespace: shop}}\n"
        "spec: {{containers: [{{name: a, image: a, envFrom: [{{secretRef: {{name: {0}}}}}]}}]}}\n"
    )
    other = "apiVersion: v1\nkind: Secret\nmetadata: {name: other, namespace: shop}\n"
    files = {f"{name}.yaml": pod.format(f"need-{name}") for name in names} | {"s.yaml": other}

    assert rules(tmp_path, files, "config-missing") == ["config-missing"] * found


@pytest.mark.parametrize(("name", "found"), [("secret.template.yaml", 0), ("secret.yaml", 1)])
def test_a_form_of_a_secret_keeps_none(name: str, found: int, tmp_path: Path) -> None:
    pod = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\n"
        "spec: {containers: [{name: a, image: a, envFrom: [{secretRef: {name: keys}}]}]}\n"
    )
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: other, namespace: shop}\n"

    names = rules(tmp_path, {"a.yaml": pod, name: secret}, "config-missing")

    assert names == ["config-missing"] * found


@pytest.mark.parametrize(
    ("place", "found"), [("", 0), (", namespace: other", 1), (", namespace: shop", 0)]
)
def test_a_claim_without_a_namespace_is_applied_where_it_is_needed(
    place: str, found: int, tmp_path: Path
) -> None:
    claim = CLAIM.replace("NAME, namespace: stock", f"data{place}")
    pod = READER.replace("{name: reader}", "{name: reader, namespace: shop}")
    files = {"reader.yaml": pod, "claim.yaml": claim, "web.yaml": IN_SHOP}

    assert rules(tmp_path, files, "claim-missing") == ["claim-missing"] * found


@pytest.mark.parametrize(("folder", "found"), [("example", 0), ("web", 1)])
def test_a_word_in_capitals_of_an_example_is_to_be_filled_in(
    folder: str, found: int, tmp_path: Path
) -> None:
    ingress = (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, namespace: shop}\n"
        "spec: {rules: [{host: NAMESPACE-web.example.org}]}\n"
    )
    files = {f"{folder}/ingress.yaml": ingress, "all/web.yaml": IN_SHOP}

    assert rules(tmp_path, files, "ingress-rules") == ["ingress-rules"] * found


@pytest.mark.parametrize(("mode", "found"), [("Auto", 0), ("Off", 1)])
def test_a_vertical_autoscaler_sets_what_is_requested(
    mode: str, found: int, tmp_path: Path
) -> None:
    target = "{apiVersion: apps/v1, kind: Deployment, name: front}"
    scalers = (
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: front}\n"
        f"spec: {{maxReplicas: 5, scaleTargetRef: {target}, metrics: [{{type: Resource, "
        "resource: {name: cpu, target: {type: Utilization, averageUtilization: 70}}}]}\n---\n"
        "apiVersion: autoscaling.k8s.io/v1\nkind: VerticalPodAutoscaler\nmetadata: {name: front}\n"
        f"spec: {{targetRef: {target}, updatePolicy: {{updateMode: '{mode}'}}}}\n"
    )

    names = rules(tmp_path, {"pod.yaml": POD, "scalers.yaml": scalers}, "hpa-without-request")

    assert names == ["hpa-without-request"] * found
