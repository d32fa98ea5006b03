"""What scripts, generators of policies and components make of files that nothing applies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_unknown import HEAD, POD, application, run

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\n"
LABELLED = (
    "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: web\n  labels:\n    app: web\n"
    "    DATE_LABEL\n"
)
SHOP = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"
INGRESS = (
    "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web}\n"
    "spec: {rules: [{host: HOST, http: {paths: [{path: /, pathType: Prefix, backend: "
    "{service: {name: front, port: {number: 80}}}}]}}]}\n"
)
CLAIM = (
    "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\n"
    "spec: {volumeMode: Filesystem}\n"
)
GENERATOR = (
    "apiVersion: policy.open-cluster-management.io/v1\nkind: PolicyGenerator\n"
    "metadata: {name: storage}\npolicyDefaults: {namespace: policies, remediationAction: ACTION}\n"
    "policies: [{name: storage, manifests: [{path: source-crs/storage/claim.yaml, ENTRY}]}]\n"
)
TEMPLATE = (
    "apiVersion: ran.openshift.io/v1\nkind: PolicyGenTemplate\nmetadata: {name: storage}\n"
    "spec: {sourceFiles: [{fileName: storage/claim.yaml}]}\n"
)
BINDING = (
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: web}\n"
    "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\n"
    "subjects: [{kind: ServiceAccount, name: web}]\n"
)
ACCOUNT = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n"
BASE = HEAD + "resources: [binding.yaml, account.yaml]\n"


def found(tmp_path: Path, files: dict[str, str], rule: str) -> list[str]:
    return [each.message for each in run(tmp_path, files, rule).findings if each.rule == rule]


@pytest.mark.parametrize(
    "text",
    [
        LABELLED,
        LABELLED.replace("DATE_LABEL", "WEB-APP_VERSION"),
        LABELLED.replace("DATE_LABEL", "ENV|-env: prod-|"),
        LABELLED.replace("    DATE_LABEL", "$MORE_LABELS"),
    ],
)
def test_a_manifest_with_words_that_a_script_replaces_is_not_known(
    text: str, tmp_path: Path
) -> None:
    report = run(tmp_path, {"web.yaml": text})

    assert report.findings == []
    assert [each for each in report.unknown if "web.yaml is a template" in each] != []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SETTINGS + "data:\n  LOG_LEVEL: info\n  DATE_LABEL\n  MORE: x\n", 6),
        (LABELLED.replace("DATE_LABEL", "dated") + "    more: x\n", 7),
        (LABELLED + "    more: [\n", 7),
        (LABELLED.replace("apiVersion", "version"), 7),
    ],
    ids=["a key without its value", "no such word", "wrong elsewhere", "no manifest"],
)
def test_a_line_without_its_colon_is_reported_where_it_is(
    text: str, line: int, tmp_path: Path
) -> None:
    report = run(tmp_path, {"web.yaml": text})

    assert [(each.rule, each.line) for each in report.findings] == [("not-yaml", line)]


def test_a_default_that_a_script_fills_in_is_not_a_field(tmp_path: Path) -> None:
    image = 'image: "registry.example.com/front:1.4.2"'
    filled = POD.replace(image, f"'FRONT_IMAGE|-{image}-|': x")

    assert found(tmp_path, {"pod.yaml": filled}, "unknown-field") == []
    assert found(tmp_path, {"pod.yaml": POD.replace(image, "imago: x")}, "unknown-field") != []


@pytest.mark.parametrize(("host", "count"), [("$HOST_NAME", 0), ("shop_$HOST", 1), ("Shop", 1)])
def test_a_variable_of_a_script_is_not_a_host(host: str, count: int, tmp_path: Path) -> None:
    files = {"ingress.yaml": INGRESS.replace("HOST", host)}
    assert len(found(tmp_path, files, "ingress-rules")) == count


@pytest.mark.parametrize(("address", "count"), [("$DNS_SERVER_IP", 0), ("10.100.0", 1)])
def test_a_variable_of_a_script_is_not_an_address(address: str, count: int, tmp_path: Path) -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: dns}\n"
        "spec: {clusterIP: ADDRESS, ports: [{port: 53}]}\n"
    )
    files = {"service.yaml": service.replace("ADDRESS", address)}
    assert len(found(tmp_path, files, "service-address")) == count


def test_what_an_application_applies_no_script_fills_in(tmp_path: Path) -> None:
    source = "{repoURL: 'https://git.example.com/shop.git', path: front}"
    files = {"front/ingress.yaml": INGRESS.replace("HOST", "$HOST"), "a.yaml": ""}
    files["a.yaml"] = application("front", source)
    assert len(found(tmp_path, files, "ingress-rules")) == 1


@pytest.mark.parametrize(
    ("generator", "count"),
    [
        (GENERATOR.replace("ACTION", "inform").replace(", ENTRY", ""), 0),
        (GENERATOR.replace("ACTION", "enforce").replace("ENTRY", "patches: [{spec: {}}]"), 0),
        (GENERATOR.replace("ACTION", "enforce").replace("ENTRY", "remediationAction: inform"), 0),
        (GENERATOR.replace("ACTION", "enforce").replace(", ENTRY", ""), 1),
        (
            GENERATOR.replace("ACTION", "inform").replace(
                "source-crs/storage/claim.yaml, ENTRY", "a.yaml"
            ),
            1,
        ),
        (TEMPLATE, 0),
        (TEMPLATE.replace("storage/claim", "other"), 0),
        (SHOP, 1),
    ],
)
def test_a_generator_of_policies_completes_or_compares_a_manifest(
    generator: str, count: int, tmp_path: Path
) -> None:
    files = {"policies/storage.yaml": generator, "files/source-crs/storage/claim.yaml": CLAIM}
    rule = "required-field"
    named = [m for m in found(tmp_path, files, rule) if "accessModes" in m]
    assert len(named) == count


COMMON = {
    "common/kustomization.yaml": (
        "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
        "resources: [namespace.yaml]\n"
    ),
    "common/namespace.yaml": SHOP.replace("shop", "not-used"),
    "shop/kustomization.yaml": HEAD + "namespace: shop\ncomponents: [../common]\n",
}


@pytest.mark.parametrize(("name", "count"), [("shop", 0), ("other", 1)])
def test_a_namespace_that_a_component_brings_is_applied(
    name: str, count: int, tmp_path: Path
) -> None:
    files = COMMON | {"shop/namespace.yaml": SHOP.replace("shop", name)}
    assert len(found(tmp_path, files, "manifest-unlisted")) == count


LISTED = {
    "apps/kustomization.yaml": HEAD + "resources: [one/settings.yaml]\n",
    "apps/one/settings.yaml": SETTINGS + "data: {LOG_LEVEL: info}\n",
}
COPY = "apps/one/settings.yaml, and no kustomization names this copy of it"
NEITHER = (
    "no kustomization names one.yaml, so its ConfigMap settings is neither applied nor patched"
)


@pytest.mark.parametrize(
    ("text", "page", "said"),
    [
        ("data: {LOG_LEVEL: info}\n", "", COPY),
        ("data: {LOG_LEVEL: info}\n", "In apps/:\n\n* one.yaml - the first\n", ""),
        ("data: {LOG_LEVEL: debug}\n", "", NEITHER),
        ("data: {LOG_LEVEL: debug}\n", "In apps/:\n\n* one.yaml - the first\n", NEITHER),
        ("data: {LOG_LEVEL: debug}\n", "kubectl apply -f apps/one.yaml\n", ""),
    ],
)
def test_a_copy_of_a_listed_manifest_is_said_to_be_one(
    text: str, page: str, said: str, tmp_path: Path
) -> None:
    files = LISTED | {"apps/one.yaml": SETTINGS + text, "docs/apply.rst": page}
    messages = found(tmp_path, files, "manifest-unlisted")
    assert [each.endswith(said) for each in messages] == ([True] if said else [])


def test_a_patch_is_not_a_copy(tmp_path: Path) -> None:
    files = LISTED | {"apps/one-patch.yaml": SETTINGS + "data: {LOG_LEVEL: info}\n"}
    (message,) = found(tmp_path, files, "manifest-unlisted")
    assert message.startswith("no kustomization names one-patch.yaml")


def test_a_file_of_several_manifests_is_not_a_copy_of_one(tmp_path: Path) -> None:
    files = COMMON | {"shop/namespace.yaml": SHOP + "---\n" + SETTINGS}
    assert len(found(tmp_path, files, "manifest-unlisted")) == 1


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, 0),
        ({"base/kustomization.yaml": HEAD + "resources: [binding.yaml]\n"}, 1),
        ({"base/account.yaml": ACCOUNT.replace("web", "web, namespace: shop")}, 1),
        ({"base/account.yaml": ACCOUNT.replace("web", "other")}, 1),
        ({"a.yaml": application("a", "{repoURL: 'https://x.io/shop.git', path: base}")}, 1),
    ],
    ids=["a base", "no account", "account elsewhere", "another account", "an application"],
)
def test_who_builds_on_a_base_gives_its_subjects_their_namespace(
    files: dict[str, str], count: int, tmp_path: Path
) -> None:
    tree = {"base/kustomization.yaml": BASE, "base/binding.yaml": BINDING}
    tree["base/account.yaml"] = ACCOUNT
    assert len(found(tmp_path, tree | files, "role-binding")) == count


def test_the_file_of_configurations_that_kustomize_refuses_is_blamed(tmp_path: Path) -> None:
    names = "# Of accounts.\napiVersion: builtin\nnameReference: []\n"
    files = {
        "kustomization.yaml": HEAD + "resources: [app]\n",
        "app/kustomization.yaml": HEAD + "resources: [a.yaml]\nconfigurations: [names.yaml]\n",
        "app/a.yaml": SETTINGS,
        "app/names.yaml": names,
    }

    report = run(tmp_path, files)

    (one,) = [each for each in report.findings if each.rule == "folder-unbuildable"]
    assert (one.file.endswith("app/names.yaml"), one.line) == (True, 2)
    assert one.message.endswith(
        "app/names.yaml has a field apiVersion, which kustomize does not know there"
    )


def test_an_unknown_field_of_the_kustomization_itself_is_blamed_there(tmp_path: Path) -> None:
    files = {"app/kustomization.yaml": HEAD + "resources: [a.yaml]\nresource: []\n"}

    report = run(tmp_path, files | {"app/a.yaml": SETTINGS}, "folder-unbuildable")

    (one,) = [each for each in report.findings if each.rule == "folder-unbuildable"]
    assert (one.file.endswith("app/kustomization.yaml"), one.line) == (True, 4)


@pytest.mark.parametrize(("patch", "count"), [("/kind", 0), ("/metadata/annotations", 1)])
def test_a_patch_that_renames_its_target_is_not_idle(
    patch: str, count: int, tmp_path: Path
) -> None:
    text = f"- {{op: replace, path: {patch}, value: ClusterRole}}"
    target = "{kind: Role, name: web}"
    role = (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: web}\nrules: []\n"
    )
    part = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    files = {
        "wide/kustomization.yaml": part + f"patches: [{{target: {target}, patch: '{text}'}}]\n",
        "app/kustomization.yaml": HEAD + "resources: [role.yaml]\ncomponents: [../wide]\n",
        "app/role.yaml": role if not count else role.replace("Role", "ClusterRole"),
    }
    assert len(found(tmp_path, files, "patch-hits-nothing")) == count


@pytest.mark.parametrize("remote", [True, False])
def test_a_component_may_patch_what_a_remote_base_beside_it_brings(
    remote: bool, tmp_path: Path
) -> None:
    part = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
    patch = "patches: [{target: {kind: ConfigMap, name: images}, patch: '- {op: x, path: /x}'}]\n"
    base = ", github.com/example-org/operator/config?ref=v1" if remote else ""
    files = {
        "images/kustomization.yaml": part + patch,
        "app/kustomization.yaml": HEAD + f"resources: [a.yaml{base}]\ncomponents: [../images]\n",
        "app/a.yaml": SETTINGS,
    }
    assert len(found(tmp_path, files, "patch-hits-nothing")) == (not remote)


@pytest.mark.parametrize(("service", "count"), [("kubernetes", 0), ("kubernets", 1)])
def test_the_service_of_the_api_server_is_always_there(
    service: str, count: int, tmp_path: Path
) -> None:
    ingress = INGRESS.replace("HOST", "api.example.com").replace("front", service)
    files = {"ingress.yaml": ingress.replace("{name: web}", "{name: web, namespace: default}")}
    # Something runs there, so what is missing is known.
    pod = POD.replace("metadata: {name: front}", "metadata: {name: front, namespace: default}")
    assert len(found(tmp_path, files | {"pod.yaml": pod}, "ingress-backend-missing")) == count


@pytest.mark.parametrize(
    "text",
    [
        "apiVersion: ambassador/v1\nkind: AuthService\nname: login\nauth_service: 'login:3000'\n",
        "apiVersion: v1beta1\nkind: AgentConfig\nmetadata: {name: hub}\nrendezvousIP: 10.0.0.1\n",
        "apiVersion:\nkind:\nmetadata:\nspec:\n",
    ],
    ids=["of Ambassador", "of openshift-install", "a form to fill in"],
)
def test_what_no_api_server_gets_is_left_alone(text: str, tmp_path: Path) -> None:
    assert run(tmp_path, {"one.yaml": text}).findings == []


@pytest.mark.parametrize(
    ("page", "count"),
    [
        ("cat volume.yaml | sed 's/size/5Gi/g' | kubectl apply -f -\n", 0),
        ("sed -e 's#size#5Gi#' \\\n  volume.yaml | kubectl apply -f -\n", 0),
        ("cat other.yaml | sed 's/size/5Gi/g' | kubectl apply -f -\n", 1),
        ("cat volume.yaml | sed 's/sizes/5Gi/g' | kubectl apply -f -\n", 1),
        ("cat volume.yaml\nsed 's/size/5Gi/g' other.txt\n", 1),
    ],
)
def test_a_value_that_a_script_replaces_is_not_judged(
    page: str, count: int, tmp_path: Path
) -> None:
    volume = (
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: data}\n"
        "spec: {capacity: {storage: size}, accessModes: [ReadWriteOnce], hostPath: {path: /data}}\n"
    )
    files = {"volume.yaml": volume, "steps/1.md": page}
    assert len(found(tmp_path, files, "malformed-quantity")) == count


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("apps/README.md", "See `more.yaml`, which is not in the kustomization.\n", 0),
        ("apps/README.md", "See `some-more.yaml`.\n", 1),
        ("README.md", "See `more.yaml`.\n", 1),
        (".taskfiles/Taskfile.yaml", "vars: {KEY: ./apps/more.yaml}\n", 0),
    ],
)
def test_a_file_that_a_page_beside_it_names_is_left_out_on_purpose(
    name: str, text: str, count: int, tmp_path: Path
) -> None:
    files = {
        "apps/kustomization.yaml": HEAD + "resources: [settings.yaml]\n",
        "apps/settings.yaml": SETTINGS,
        "apps/more.yaml": SETTINGS.replace("settings", "more"),
        name: text,
    }
    assert len(found(tmp_path, files, "manifest-unlisted")) == count


def test_two_copies_of_one_autoscaler_do_not_undo_each_other(tmp_path: Path) -> None:
    scaler = (
        "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n"
        "metadata: {name: front}\nspec:\n  maxReplicas: 3\n"
        "  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: front}\n"
    )
    files = {"one/pod.yaml": POD, "one/scale.yaml": scaler, "two/scale.yaml": scaler}
    again = {"two/scale.yaml": scaler.replace("{name: front}\nspec", "{name: more}\nspec")}

    assert found(tmp_path / "copies", files, "autoscaled-twice") == []
    assert len(found(tmp_path / "two", files | again, "autoscaled-twice")) == 1


@pytest.mark.parametrize("root", [True, False])
def test_a_field_that_kustomize_does_not_know_is_blamed_where_it_is(
    root: bool, tmp_path: Path
) -> None:
    patch = "  - target:\n      kind: ConfigMap\n      apiVersion: v1\n    path: p.yaml\n"
    files = {
        "app/kustomization.yaml": HEAD + "resources: [a.yaml]\npatches:\n" + patch,
        "app/a.yaml": SETTINGS,
        "app/p.yaml": SETTINGS,
    }
    if root:
        files["kustomization.yaml"] = HEAD + "resources: [app]\n"

    report = run(tmp_path, files)

    (one,) = [each for each in report.findings if each.rule == "folder-unbuildable"]
    line = files["app/kustomization.yaml"].splitlines().index("      apiVersion: v1") + 1
    assert (one.file.endswith("app/kustomization.yaml"), one.line) == (True, line)
    assert "has a field patches[0].target.apiVersion, which" in one.message
