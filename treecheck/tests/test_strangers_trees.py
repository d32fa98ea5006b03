"""What a stranger's tree means: other clusters, examples, files outside of git, other kinds."""

from __future__ import annotations

import cProfile
import pstats
import subprocess
from typing import TYPE_CHECKING

import pytest
from test_unknown import APPLICATION, HEAD, IN_SHOP, POD, run, write

from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather

if TYPE_CHECKING:
    from pathlib import Path

FLUX = (
    "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: a}\n"
    "spec: {path: ./clusters/one}\n"
)
SETTINGS = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, namespace: shop}\n"
CLASS = (
    "apiVersion: storage.k8s.io/v1\nkind: StorageClass\n"
    'metadata: {name: NAME, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}\n'
    "provisioner: ebs.csi.aws.com\n"
)
SERVED = (
    "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: speech}\n"
    "spec: {predictor: {FIELD: [{name: a, image: 'registry.example.com/speech:1'}]}}\n"
)


def rules(tmp_path: Path, files: dict[str, str], rule: str) -> list[str]:
    return [each.rule for each in run(tmp_path, files, rule).findings]


@pytest.mark.parametrize("archive", [False, True])
@pytest.mark.parametrize(
    ("ignored", "found"), [("env/\n", 0), ("*.env\n", 0), ("other/\n", 1), ("", 1)]
)
def test_a_file_that_git_ignores_is_not_known(
    ignored: str, found: int, archive: bool, tmp_path: Path
) -> None:
    tmp_path.joinpath("tree").mkdir()
    if not archive:
        subprocess.run(["git", "init", "-q", str(tmp_path / "tree")], check=True)
    generator = "secretGenerator: [{name: a, envs: [env/token.env]}]\n"
    files = {"app/kustomization.yaml": HEAD + generator, ".gitignore": ignored}

    report = run(tmp_path / "tree", files)

    assert [each.rule for each in report.findings] == ["folder-unbuildable"] * found
    told = [each for each in report.unknown if "app/env/token.env is made outside of git" in each]
    assert len(told) == 1 - found


def test_the_kustomization_that_names_the_missing_file_is_blamed(tmp_path: Path) -> None:
    files = {
        "one/base/kustomization.yaml": HEAD + "resources:\n  - a.yaml\n  - gone.yaml\n",
        "one/base/a.yaml": SETTINGS,
        "one/envs/a/kustomization.yaml": HEAD + "resources: [../../base]\n",
        "one/envs/b/kustomization.yaml": HEAD + "resources: [../../base]\n",
    }

    report = run(tmp_path, files)

    (found,) = report.findings
    assert found.message.endswith("one/base/kustomization.yaml names gone.yaml, which is not there")
    assert (found.file.endswith("one/base/kustomization.yaml"), found.line) == (True, 5)


@pytest.mark.parametrize(("flux", "found"), [(FLUX, 0), ("", 1)])
def test_flux_builds_every_folder_of_its_tree(flux: str, found: int, tmp_path: Path) -> None:
    files = {
        "clusters/one/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "clusters/one/a.yaml": SETTINGS,
        "base/b/kustomization.yaml": HEAD + "resources: [../other.yaml]\n",
        "base/other.yaml": SETTINGS.replace("settings", "other"),
    }

    names = rules(tmp_path, files | ({"flux.yaml": flux} if flux else {}), "config-missing")

    assert names == ["folder-unbuildable"] * found


@pytest.mark.parametrize(
    ("field", "found"), [("containers", 0), ("initContainers", 0), ("images", 1)]
)
def test_an_image_of_any_list_of_containers_is_changed(
    field: str, found: int, tmp_path: Path
) -> None:
    entry = "images: [{name: registry.example.com/speech, newTag: '2'}]\n"
    files = {
        "app/kustomization.yaml": HEAD + "resources: [a.yaml]\n" + entry,
        "app/a.yaml": SERVED.replace("FIELD", field),
        "other/kustomization.yaml": HEAD + "namePrefix: a-\n",
    }

    assert rules(tmp_path, files, "image-entry-unused").count("image-entry-unused") == found


@pytest.mark.parametrize(
    ("places", "found"),
    [
        (("k8s/a.yaml", "k8s/b.yaml"), 2),
        (("examples/a.yaml", "examples/b.yaml"), 0),
        (("one/a.yaml", "two/b.yaml"), 0),
    ],
)
def test_plain_files_meet_in_one_folder_that_is_no_example(
    places: tuple[str, str], found: int, tmp_path: Path
) -> None:
    other = POD.replace("metadata: {name: front}", "metadata: {name: other}")

    names = rules(tmp_path, dict(zip(places, (POD, other), strict=True)), "selectors-overlap")

    assert names == ["selectors-overlap"] * found


@pytest.mark.parametrize(
    ("place", "name", "found"),
    [("a", "fast", 1), ("a", "plain", 0), ("b", "fast", 0), ("b", "plain", 0)],
)
def test_two_default_classes_are_of_one_cluster(
    place: str, name: str, found: int, tmp_path: Path
) -> None:
    files = {"a/one.yaml": CLASS.replace("NAME", "plain")}
    files[f"{place}/two.yaml"] = CLASS.replace("NAME", name)

    assert rules(tmp_path, files, "default-class-twice") == ["default-class-twice"] * found


@pytest.mark.parametrize(
    ("homes", "found"), [(("uat", "prod"), 0), (("web", "shop"), 1), (("uat", "uat"), 1)]
)
def test_applications_of_two_environments_share_nothing(
    homes: tuple[str, str], found: int, tmp_path: Path
) -> None:
    source = "{repoURL: https://git.example.com/shop.git, path: front}"
    files = {"front/a.yaml": SETTINGS}
    for name, home in zip("ab", homes, strict=True):
        text = APPLICATION.replace("NAME", name).replace("SOURCE", source)
        files[f"apps/{home}/{name}.yaml"] = text

    assert rules(tmp_path, files, "shared-resource") == ["shared-resource"] * found


NAMESPACE = (
    "apiVersion: v1\nkind: Namespace\n"
    "metadata: {name: front, labels: {pod-security.kubernetes.io/enforce: LEVEL}}\n"
)
PRIVILEGED = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: front}\n"
    "spec: {containers: [{name: a, image: a, securityContext: {privileged: true}}]}\n"
)


@pytest.mark.parametrize("level", ["privileged", "baseline"])
def test_the_namespace_in_the_same_file_counts(level: str, tmp_path: Path) -> None:
    source = "{repoURL: https://git.example.com/shop.git, path: front}"
    page = NAMESPACE.replace("LEVEL", level) + "---\n" + PRIVILEGED
    files = {
        "apps/a.yaml": APPLICATION.replace("NAME", "a").replace("SOURCE", source),
        "front/a.yaml": NAMESPACE.replace("LEVEL", "baseline"),
        "pages/page.yaml": page,
    }

    report = run(tmp_path, files, "privileged-container")

    assert ["enforces" in each.message for each in report.findings] == [level == "baseline"]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("pod-security.kubernetes.io/disable: a", "so nothing is enforced"),
        (
            "pod-security.kubernetes.io/disable: a, pod-security.kubernetes.io/enforce: baseline",
            "so it changes nothing",
        ),
    ],
)
def test_a_label_that_nothing_reads_takes_no_other_away(
    labels: str, words: str, tmp_path: Path
) -> None:
    text = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: a, labels: {{{labels}}}}}\n"

    report = run(tmp_path, {"a.yaml": text}, "pod-security-mode")

    assert [words in each.message for each in report.findings] == [True]


@pytest.mark.parametrize(("target", "found"), [("http", 0), ("8080", 1)])
def test_a_named_port_leads_to_no_pod_without_it(target: str, found: int, tmp_path: Path) -> None:
    job = (
        "apiVersion: batch/v1\nkind: Job\nmetadata: {name: once, namespace: shop}\n"
        "spec: {template: {metadata: {labels: {app: front}}, spec: {restartPolicy: Never, "
        "containers: [{name: a, image: 'a:1'}]}}}\n"
    )
    pod = POD.replace("{name: front}\nspec", "{name: front, namespace: shop}\nspec")
    pod = pod.replace("{containerPort: 8081}", "{name: http, containerPort: 8080}")
    service = IN_SHOP.replace("targetPort: 8080", f"targetPort: {target}")
    files = {"k/service.yaml": service, "k/pod.yaml": pod, "k/job.yaml": job}

    names = rules(tmp_path, files, "service-selects-strangers")

    assert names == ["service-selects-strangers"] * found


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("DOCKER_HOST", "unix:///var/run/docker.sock", 0),
        ("CSI_ENDPOINT", "unix:///csi/csi.sock", 0),
        ("API_HOST", "kubernetes.default.svc", 0),
        ("API_HOST", "kubernets.shop.svc", 1),
    ],
)
def test_a_socket_is_no_host_and_the_api_server_is_one(
    name: str, value: str, found: int, tmp_path: Path
) -> None:
    env = f"image: a, env: [{{name: {name}, value: '{value}'}}]"
    pod = PRIVILEGED.replace("image: a", env).replace("namespace: front", "namespace: shop")
    other = SETTINGS.replace("shop", "default")

    names = rules(tmp_path, {"a.yaml": pod, "b.yaml": other}, "host-unknown")

    assert names == ["host-unknown"] * found


@pytest.mark.parametrize(
    ("group", "found"), [("audit.k8s.io/v1", 0), ("apiserver.config.k8s.io/v1", 0), ("v1", 1)]
)
def test_what_the_api_server_reads_as_a_file_needs_no_name(
    group: str, found: int, tmp_path: Path
) -> None:
    text = f"apiVersion: {group}\nkind: ConfigMap\n"

    assert rules(tmp_path, {"a.yaml": text}, "nameless-manifest") == ["nameless-manifest"] * found


@pytest.mark.parametrize(("name", "found"), [("pull", 0), ("other", 1)])
def test_a_cluster_external_secret_makes_its_secret(name: str, found: int, tmp_path: Path) -> None:
    external = (
        "apiVersion: external-secrets.io/v1\nkind: ClusterExternalSecret\nmetadata: {name: a}\n"
        f"spec: {{externalSecretSpec: {{target: {{name: {name}}}}}}}\n"
    )
    pod = PRIVILEGED.replace("containers:", "imagePullSecrets: [{name: pull}], containers:")

    report = run(tmp_path, {"a.yaml": pod, "b.yaml": external}, "config-missing")

    assert ["no private image can be pulled" in each.message for each in report.findings] == [
        True
    ] * found


@pytest.mark.parametrize(("namespace", "found"), [("openshift-monitoring", 0), ("shop", 1)])
def test_openshift_has_accounts_of_its_own(namespace: str, found: int, tmp_path: Path) -> None:
    binding = (
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n"
        "metadata: {name: a, namespace: NAMESPACE}\n"
        "roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\n"
        "subjects: [{kind: ServiceAccount, name: prometheus, namespace: NAMESPACE}]\n"
    ).replace("NAMESPACE", namespace)

    account = (
        f"apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: other, namespace: {namespace}}}\n"
    )
    files = {"a.yaml": binding, "b.yaml": account}
    assert rules(tmp_path, files, "role-missing") == ["role-missing"] * found


@pytest.mark.parametrize(
    ("resource", "words"),
    [("accounts", "a project's role can't grant accounts"), ("acounts", "no resource 'acounts'")],
)
def test_a_project_grants_what_belongs_to_it(resource: str, words: str, tmp_path: Path) -> None:
    policy = f"p, proj:shop:admin, {resource}, get, shop/*, allow"
    text = (
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: shop, namespace: a}\n"
        f"spec: {{roles: [{{name: admin, policies: ['{policy}']}}]}}\n"
    )

    report = run(tmp_path, {"a.yaml": text}, "project-policy")

    assert [words in each.message for each in report.findings] == [True]


@pytest.mark.parametrize(("kind", "found"), [("Deployment", 0), ("StatefulSet", 1)])
def test_a_patch_finds_what_an_application_deploys(kind: str, found: int, tmp_path: Path) -> None:
    """The folder around is rendered too, without what the Application has of it already."""
    patch = f"patches: [{{patch: '', target: {{kind: {kind}, labelSelector: a in (b)}}}}]\n"
    patch = patch.replace(
        "patch: ''", 'patch: \'[{"op": "add", "path": "/spec/replicas", "value": 2}]\''
    )
    source = "{repoURL: https://git.example.com/shop.git, path: all/media}"
    files = {
        "all/kustomization.yaml": HEAD + "resources: [app.yaml, media]\n",
        "all/app.yaml": APPLICATION.replace("NAME", "a").replace("SOURCE", source),
        "all/media/kustomization.yaml": HEAD + "namespace: shop\nresources: [pod.yaml]\n" + patch,
        "all/media/pod.yaml": POD,
    }

    names = rules(tmp_path, files, "patch-hits-nothing")

    assert names == ["patch-hits-nothing"] * found


def test_variables_of_flux_are_not_known_in_any_set_of_its_tree(tmp_path: Path) -> None:
    """The Flux Kustomization is of another set than the folder that it fills in."""
    files = {
        "flux/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "flux/a.yaml": FLUX.replace("./clusters/one", "./app"),
        "app/kustomization.yaml": HEAD + "resources: [a.yaml]\n",
        "app/a.yaml": POD.replace("replicas: 1", "replicas: ${front_replicas}"),
    }

    assert rules(tmp_path, files, "wrong-type") == []
    del files["flux/kustomization.yaml"], files["flux/a.yaml"]
    assert rules(tmp_path / "other", files, "wrong-type") == ["wrong-type"]


CATALOGUE = HEAD + "resources:\n#- argocd/web.yaml\n- argocd/db.yaml\n"


@pytest.mark.parametrize(("name", "found"), [("web", 0), ("other", 1)])
def test_a_catalogue_is_not_judged_by_what_is_commented_out(
    name: str, found: int, tmp_path: Path
) -> None:
    files = {
        "one/kustomization.yaml": CATALOGUE,
        "one/argocd/db.yaml": SETTINGS,
        f"one/argocd/{name}.yaml": IN_SHOP,
    }

    assert rules(tmp_path, files, "service-selects-nothing") == ["service-selects-nothing"] * found


@pytest.mark.parametrize(("namespace", "found"), [("", 0), (", namespace: default", 1)])
def test_an_application_without_a_namespace_may_be_beside_its_project(
    namespace: str, found: int, tmp_path: Path
) -> None:
    source = "{repoURL: https://git.example.com/shop.git, chart: a}"
    text = APPLICATION.replace("SOURCE", source).replace("NAME", "web")
    text = text.replace("project: default", "project: infra")
    project = (
        "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\n"
        "metadata: {name: infra, namespace: argocd}\n"
    )
    files = {"a.yaml": text.replace(", namespace: argocd", namespace), "b.yaml": project}

    assert rules(tmp_path, files, "project-missing") == ["project-missing"] * found


@pytest.mark.parametrize(("target", "found"), [("shop", 0), ("other", 1)])
def test_a_helm_release_brings_what_is_in_its_target(
    target: str, found: int, tmp_path: Path
) -> None:
    release = (
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\n"
        f"metadata: {{name: a, namespace: flux}}\nspec: {{targetNamespace: {target}}}\n"
    )
    files = {"a.yaml": IN_SHOP, "b.yaml": release}

    assert rules(tmp_path, files, "service-selects-nothing") == ["service-selects-nothing"] * found


def calls(folder: Path, count: int) -> int:
    """The function calls that a check of so many Applications takes."""
    source = "{repoURL: https://git.example.com/shop.git, path: PATH}"
    files = {"proj.yaml": "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\n"
             "metadata: {name: other, namespace: argocd}\n"}  # fmt: skip
    for number in range(count):
        text = APPLICATION.replace("NAME", f"a{number}").replace("SOURCE", source)
        text = text.replace("PATH", f"x/a{number}").replace("project: default", "project: shop")
        files[f"apps/a{number}.yaml"] = text.replace("namespace: shop", f"namespace: n{number}")
    write(folder, files)
    (folder / "x/a1").mkdir(parents=True)  # so that the paths of the others are missing
    profile = cProfile.Profile()
    profile.runcall(lambda: check(gather([str(folder)], Facts()), Facts(), (1, 32)))
    return int(pstats.Stats(profile).total_calls)  # type: ignore[attr-defined]


@pytest.mark.thorough
def test_twice_the_applications_take_twice_the_calls(tmp_path: Path) -> None:
    calls(tmp_path / "warm", 2)  # the rules are read once
    few, many = calls(tmp_path / "few", 40), calls(tmp_path / "many", 80)

    assert many < 2.2 * few
