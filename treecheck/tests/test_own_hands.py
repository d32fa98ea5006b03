"""What people do outside of git: they load images, keep ConfigMaps, and fill in forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_meant_so import WEB
from test_strangers_trees import SETTINGS, rules
from test_unknown import HEAD, POD

if TYPE_CHECKING:
    from pathlib import Path

MISSING = "ingress-backend-missing"
IN_SHOP = POD.replace("{name: front}\nspec", "{name: front, namespace: shop}\nspec")


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("kind load docker-image web:1\n", 0),
        ("sudo k3s ctr -n k8s.io images import /tmp/web.tar\n", 0),
        ("docker save web:1\n", 1),
    ],
)
def test_a_script_loads_images_into_the_nodes(script: str, found: int, tmp_path: Path) -> None:
    pod = IN_SHOP.replace("image: ", "imagePullPolicy: Never, image: registry.example.com/")
    files = {"a.yaml": pod, "load.sh": script}

    assert rules(tmp_path, files, "image-never-pulled") == ["image-never-pulled"] * found


@pytest.mark.parametrize(
    ("names", "kept", "found"), [("ab", "other", 0), ("a", "other", 1), ("ab", "shop", 2)]
)
def test_a_namespace_without_its_config_maps_has_them_from_elsewhere(
    names: str, kept: str, found: int, tmp_path: Path
) -> None:
    asked = ", ".join(f"{{configMapRef: {{name: {each}}}}}" for each in names)
    pod = IN_SHOP.replace("name: front, image", f"name: front, envFrom: [{asked}], image")
    settings = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: {kept}}}\n"

    names_found = rules(tmp_path, {"a.yaml": pod, "b.yaml": settings}, "config-missing")

    assert names_found == ["config-missing"] * found


@pytest.mark.parametrize(("file", "found"), [("web-template.yaml", 0), ("web.yaml", 1)])
def test_a_template_leaves_its_name_empty(file: str, found: int, tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name:\n  namespace: shop\ndata: {a: b}\n"

    assert rules(tmp_path, {file: text}, "nameless-manifest") == ["nameless-manifest"] * found


@pytest.mark.parametrize(
    ("secret", "found"), [("web-your_domain-tls", 0), ("web-Your-tls", 1), ("on_four_domains", 1)]
)
def test_a_person_puts_a_domain_of_theirs_in(secret: str, found: int, tmp_path: Path) -> None:
    ingress = (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n"
        "spec: {defaultBackend: {service: {name: web, port: {number: 80}}}, "
        f"tls: [{{hosts: [a.example.com], secretName: {secret}}}]}}\n"
    )

    assert rules(tmp_path, {"a.yaml": ingress}, "malformed-text") == ["malformed-text"] * found


def test_a_workload_that_leaves_containers_out_is_a_patch(tmp_path: Path) -> None:
    web = WEB.replace("NOTES", "{}").replace("  selector: {matchLabels: {app: web}}\n", "")
    head, _, _ = web.partition("    spec:")
    text = head + "    spec:\n      nodeSelector: {disk: fast}\n"

    assert rules(tmp_path, {"a.yaml": text}, "required-field") == []


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    text = "\ufeffapiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n"

    assert rules(tmp_path, {"a.yaml": text}, "yaml-encoding") == ["yaml-encoding"]


@pytest.mark.parametrize(("spaces", "found"), [("{any: true}", 0), ("{matchNames: [shop]}", 1)])
def test_a_monitor_of_all_namespaces_lists_a_port_for_each_program(
    spaces: str, found: int, tmp_path: Path
) -> None:
    monitor = (
        "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\n"
        "metadata: {name: all, namespace: shop}\n"
        "spec:\n  selector: {matchLabels: {scraped: all}}\n"
        f"  namespaceSelector: {spaces}\n"
        "  endpoints: [{port: metrics}, {port: https}]\n"
    )
    service = (
        "apiVersion: v1\nkind: Service\n"
        "metadata: {name: web, namespace: shop, labels: {scraped: all}}\n"
        "spec: {selector: {app: web}, ports: [{name: metrics, port: 80}]}\n"
    )

    names = rules(tmp_path, {"a.yaml": monitor, "b.yaml": service}, "monitor-port-unknown")
    assert names == ["monitor-port-unknown"] * found


@pytest.mark.parametrize(
    ("file", "text", "found"),
    [
        ("a.md", "The namespace has a `token` Docker registry secret.\n", 0),
        ("a.md", "- image pull secret: `token`\n", 0),
        ("a.md", "- image pull secret: `other`\n", 1),
        ("a.md", "Check it: kubectl -n shop get secrets token\n", 0),
        ("c.yaml", f"# Secret `token` is applied by hand.\n{SETTINGS}", 0),
        (
            "a.sh",
            'NAME="${SECRET_NAME:-token}"\nkubectl create secret generic "$NAME" --from-env\n',
            0,
        ),
        (
            "a.sh",
            'NAME="${SECRET_NAME:-other}"\nkubectl create secret generic "$NAME" --from-env\n',
            1,
        ),
    ],
)
def test_a_page_or_script_names_the_secret_that_people_make(
    file: str, text: str, found: int, tmp_path: Path
) -> None:
    pod = IN_SHOP.replace(
        "name: front, image", "name: front, envFrom: [{secretRef: {name: token}}], image"
    )
    kept = "kind: Secret\napiVersion: v1\nmetadata: {name: a, namespace: shop}\n"

    names = rules(tmp_path, {"a.yaml": pod, "b.yaml": kept, file: text}, "config-missing")

    assert names == ["config-missing"] * found


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        ("argocd-server", "AppProject", 0),
        ("argocd-server", "Workflow", 1),
        ("web", "AppProject", 1),
    ],
)
def test_what_applies_the_tree_is_installed_by_other_means(
    name: str, kind: str, found: int, tmp_path: Path
) -> None:
    ingress = (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, namespace: shop}\n"
        f"spec: {{defaultBackend: {{service: {{name: {name}, port: {{number: 80}}}}}}}}\n"
    )
    other = (
        f"apiVersion: argoproj.io/v1alpha1\nkind: {kind}\nmetadata: {{name: b, namespace: shop}}\n"
        if kind == "AppProject"
        else SETTINGS
    )

    names = rules(tmp_path, {"a.yaml": ingress, "b.yaml": other, "c.yaml": IN_SHOP}, MISSING)

    assert names == [MISSING] * found


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("example.com/net", 0),
        ("example.com/other", 1),
        ("acme.cert-manager.io/http01-solver", 0),
        ("app.kubernetes.io/other", 1),
    ],
)
def test_a_program_of_the_tree_labels_the_pods_that_it_makes(
    key: str, found: int, tmp_path: Path
) -> None:
    policy = (
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"
        "metadata: {name: a, namespace: shop}\n"
        f"spec: {{podSelector: {{matchLabels: {{{key}: none}}}}, policyTypes: [Egress]}}\n"
    )
    files = {
        "a.yaml": policy,
        "b.yaml": IN_SHOP,
        "c.yaml": POD.replace("labels: {app: front}", "labels: {app: front, example.com/a: b}"),
        "app/jobs.py": "labels['example.com/net'] = 'none'\n",
    }

    names = rules(tmp_path, files, "network-policy-selects-nothing")

    assert names == ["network-policy-selects-nothing"] * found


@pytest.mark.parametrize(("sops", "found"), [("sops: {mac: a, version: b}\n", 0), ("", 1)])
def test_sops_encrypts_a_list_as_a_whole(sops: str, found: int, tmp_path: Path) -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Secret\n"
        "    metadata: {name: a, namespace: shop}\n    data: {key: 'ENC[AES256_GCM,data:x]'}\n"
    )

    assert rules(tmp_path, {"a.yaml": text + sops}, "not-base64") == ["not-base64"] * found


@pytest.mark.parametrize(
    ("reference", "found"), [("{name: b, key: k}", 0), ("{name: c, key: k}", 1)]
)
def test_a_data_folder_that_a_config_map_names_may_be_any(
    reference: str, found: int, tmp_path: Path
) -> None:
    """The ConfigMap b is not of the tree; c says where."""
    env = f"env: [{{name: PGDATA, valueFrom: {{configMapKeyRef: {reference}}}}}]"
    pod = IN_SHOP.replace('"registry.example.com/front:1.4.2"', f"'postgres:15', {env}")
    settings = (
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\ndata: {k: /srv}\n"
    )

    names = rules(tmp_path, {"a.yaml": pod, "b.yaml": settings}, "data-outside-volume")

    assert names == ["data-outside-volume"] * found


@pytest.mark.parametrize(("listed", "found"), [("web/ks.yaml", 0), ("web", 1)])
def test_a_folder_of_which_a_file_is_listed_is_not_built_itself(
    listed: str, found: int, tmp_path: Path
) -> None:
    files = {
        "apps/kustomization.yaml": HEAD + f"resources: [{listed}]\n",
        "apps/web/kustomization.yaml": HEAD + "resources: [gone]\n",
        "apps/web/ks.yaml": SETTINGS,
    }

    assert rules(tmp_path, files, "folder-unbuildable") == ["folder-unbuildable"] * found


@pytest.mark.parametrize(("name", "found"), [("web-webhook", 0), ("web", 1)])
def test_the_api_server_asks_a_webhook_again(name: str, found: int, tmp_path: Path) -> None:
    pod = IN_SHOP.replace("    spec:", "    spec:\n      terminationGracePeriodSeconds: 0")
    service = (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\n"
        "spec: {selector: {app: front}, ports: [{port: 443}]}\n"
    )

    names = rules(tmp_path, {"a.yaml": pod, "b.yaml": service}, "no-grace-period")

    assert names == ["no-grace-period"] * found


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ('sed "s|image:.*|image: $1|" a.yaml', 0),
        ('sed "s|name:.*|name: $1|" a.yaml', 1),
        ('sed "s|image:.*|image: $1|" b.yaml', 1),
    ],
)
def test_a_script_writes_a_whole_field(command: str, found: int, tmp_path: Path) -> None:
    pod = IN_SHOP.replace('"registry.example.com/front:1.4.2"', "IMAGE")
    files = {"a.yaml": pod, "run.sh": f"{command} | kubectl apply -f -\n"}

    assert rules(tmp_path, files, "image-name-invalid") == ["image-name-invalid"] * found


@pytest.mark.parametrize(
    ("file", "script", "found"),
    [
        ("run.sh", 'out+="${!name}"\n', 0),
        ("run.sh", 'out+="$name"\n', 1),
        ("main.tf", 'yaml = templatefile("a.yaml", {})\n', 0),
    ],
)
def test_a_script_of_its_own_fills_in_variables(
    file: str, script: str, found: int, tmp_path: Path
) -> None:
    pod = IN_SHOP.replace("registry.example.com/front:1.4.2", "${IMAGE}")

    names = rules(tmp_path, {"a.yaml": pod, file: script}, "image-name-invalid")

    assert names == ["image-name-invalid"] * found


@pytest.mark.parametrize(("name", "found"), [("job-{ID}", 0), ("job-{id}", 1)])
def test_a_program_makes_copies_of_a_manifest(name: str, found: int, tmp_path: Path) -> None:
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: '{name}', namespace: shop}}\n"

    assert rules(tmp_path, {"a.yaml": text}, "resource-name") == ["resource-name"] * found


@pytest.mark.parametrize(
    ("notes", "found"),
    [
        ("{kustomize.toolkit.fluxcd.io/ssa: Merge}", 0),
        ("{argocd.argoproj.io/sync-options: 'ServerSideApply=true, Validate=false'}", 0),
        ("{argocd.argoproj.io/sync-options: ServerSideApply=true}", 1),
    ],
)
def test_a_part_is_merged_into_what_is_there(notes: str, found: int, tmp_path: Path) -> None:
    web = WEB.replace("NOTES", notes).replace("  selector: {matchLabels: {app: web}}\n", "")
    files = {"kustomization.yaml": HEAD + "resources: [a.yaml]\n", "a.yaml": web}

    assert rules(tmp_path, files, "required-field") == ["required-field"] * found


@pytest.mark.parametrize(("place", "found"), [("shop", 0), ("other", 1)])
def test_a_webhook_adds_volumes_to_the_pods_of_its_program(
    place: str, found: int, tmp_path: Path
) -> None:
    mount = "volumeMounts: [{name: a, mountPath: /a}], image"
    pod = IN_SHOP.replace("Deployment", "StatefulSet").replace("image", mount, 1)
    hook = (
        "apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\n"
        "metadata: {name: pods.example.com}\n"
        f"webhooks: [{{name: a, clientConfig: {{service: {{name: a, namespace: {place}}}}}}}]\n"
    )

    names = rules(tmp_path, {"a.yaml": pod, "b.yaml": hook}, "mount-without-volume")

    assert names == ["mount-without-volume"] * found


@pytest.mark.parametrize(("group", "found"), [("grafana.app", 0), ("example.com", 1)])
def test_grafana_names_a_dashboard_by_its_file(group: str, found: int, tmp_path: Path) -> None:
    text = f"apiVersion: dashboard.{group}/v2\nkind: Dashboard\nspec: {{title: Web}}\n"

    assert rules(tmp_path, {"a.yaml": text}, "nameless-manifest") == ["nameless-manifest"] * found


@pytest.mark.parametrize(("image", "found"), [("<image-name>", 0), ("a", 1)])
def test_who_writes_the_image_writes_the_rest_too(image: str, found: int, tmp_path: Path) -> None:
    env = "env: [{name: A, valueFrom: {configMapKeyRef: {name: settings, key: b}}}]"
    pod = IN_SHOP.replace('"registry.example.com/front:1.4.2"', f"{image}, {env}")
    files = {"a.yaml": pod, "b.yaml": f"{SETTINGS}data: {{a: b}}\n"}

    assert rules(tmp_path, files, "config-key-missing") == ["config-key-missing"] * found


@pytest.mark.parametrize(("name", "found"), [("b", 0), ("token", 1)])
def test_a_page_looks_at_a_secret_that_the_tree_does_not_make(
    name: str, found: int, tmp_path: Path
) -> None:
    asks = "name: front, envFrom: [{secretRef: {name: token}}], image"
    kept = f"kind: Secret\napiVersion: v1\nmetadata: {{name: {name}, namespace: NAMESPACE}}\n"
    files = {
        "a.yaml": IN_SHOP.replace("name: front, image", asks),
        "b.yaml": kept.replace("NAMESPACE", "other"),
        "c.yaml": kept.replace(name, "c").replace("NAMESPACE", "shop"),
        "a.md": "kubectl -n other get secrets token\n",
    }

    assert rules(tmp_path, files, "config-missing") == ["config-missing"] * found


@pytest.mark.parametrize(("host", "found"), [("web.yourdomain.com", 0), ("web.example.com", 1)])
def test_a_form_names_another_domain_for_its_certificate(
    host: str, found: int, tmp_path: Path
) -> None:
    backend = "{service: {name: front, port: {number: 80}}}"
    ingress = (
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a, namespace: shop}\n"
        "spec:\n  tls: [{hosts: [local.example.org], secretName: a}]\n"
        f"  rules: [{{host: {host}, http: {{paths: [{{path: /, pathType: Prefix, "
        f"backend: {backend}}}]}}}}]\n"
    )
    rule = "ingress-host-without-certificate"

    assert rules(tmp_path, {"a.yaml": ingress}, rule) == [rule] * found


@pytest.mark.parametrize(("uid", "found"), [("uid: b, ", 0), ("", 1)])
def test_what_a_cluster_had_is_not_applied(uid: str, found: int, tmp_path: Path) -> None:
    """A controller made the Pod, which names the Deployment's ReplicaSet as its owner."""
    owner = f"ownerReferences: [{{{uid}apiVersion: apps/v1, kind: ReplicaSet, name: a}}]"
    pod = (
        "apiVersion: v1\nkind: Pod\n"
        f"metadata: {{name: a, uid: a, namespace: shop, {owner}}}\n"
        "spec: {priority: 2000000000, containers: [{name: a, image: a}]}\n"
    )

    names = rules(tmp_path, {"a.yaml": pod, "b.yaml": IN_SHOP}, "priority-value")

    assert names == ["priority-value"] * found


@pytest.mark.parametrize(("tag", "found"), [("{{ .Values.image.tag }}", 0), ("{{}", 1)])
def test_helm_fills_in_an_image(tag: str, found: int, tmp_path: Path) -> None:
    pod = IN_SHOP.replace("1.4.2", tag)

    names = rules(tmp_path, {"a.yaml": pod}, "image-name-invalid")

    assert names == ["image-name-invalid"] * found


@pytest.mark.parametrize(("folder", "found"), [("tmpl", 0), ("web", 1)])
def test_what_people_copy_is_not_built(folder: str, found: int, tmp_path: Path) -> None:
    files = {f"{folder}/a/kustomization.yaml": HEAD + "resources: [gone.yaml]\n"}

    names = rules(tmp_path, files, "folder-unbuildable")

    assert names == ["folder-unbuildable"] * found
