"""Single risks, where the recorded comments of test_comment.py show no more than their like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ci.review.report import as_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from ci.review.report import Comparison

    Compared = Callable[[str, str], Comparison]

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"


def secret(*keys: str) -> str:
    data = ", ".join(f"{key}: {key.lower()}" for key in keys)
    return (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: web, namespace: shop}\n"
        f"stringData: {{{data}}}\n"
    )


def risks(report: Comparison) -> list[str]:
    return [each.sentence for section in report.sections for each in section.risks]


def test_a_namespace_takes_everything_in_it_along(compared: Compared) -> None:
    assert "this deletes it, and everything in it" in risks(compared(NAMESPACE, ""))


def test_a_secret_that_stays_and_loses_a_key_says_which(compared: Compared) -> None:
    lost = "the secret loses SECOND: who reads it finds nothing"

    assert lost in risks(compared(secret("FIRST", "SECOND"), secret("FIRST")))
    assert not any("loses" in each for each in risks(compared(secret("FIRST"), "")))
    assert not any("loses" in each for each in risks(compared("", secret("FIRST"))))


def test_a_finding_is_in_the_json_with_its_rule_and_its_sentence(compared: Compared) -> None:
    (finding,) = as_data(compared("", NAMESPACE + "---\n" + NAMESPACE))["findings"]

    assert finding["rule"] == "duplicate-resource"
    assert finding["resource"] == "Namespace shop"
    assert finding["message"]
    assert finding["fix"]


def deployment(kind: str = "Deployment", replicas: str = "2", **containers: str) -> str:
    images = "".join(f"        - {{name: {name}, image: {i}}}\n" for name, i in containers.items())
    return (
        f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: web, namespace: shop}}\n"
        + (f"spec:\n  replicas: {replicas}\n" if kind != "DaemonSet" else "spec:\n")
        + "  selector: {matchLabels: {app: web}}\n  template:\n"
        f"    metadata: {{labels: {{app: web}}}}\n    spec:\n      containers:\n{images}"
    )


def service(*ports: int, kind: str = "LoadBalancer") -> str:
    listed = ", ".join(f"{{name: p{port}, port: {port}}}" for port in ports)
    return (
        "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\n"
        f"spec: {{type: {kind}, selector: {{app: web}}, ports: [{listed}]}}\n"
    )


def test_a_secret_says_whether_it_comes_goes_or_changes(compared: Compared) -> None:
    about = "this {} a secret; a database's own password changes only by ALTER ROLE"

    assert about.format("brings") in risks(compared("", secret("FIRST")))
    assert about.format("removes") in risks(compared(secret("FIRST"), ""))
    assert about.format("changes") in risks(compared(secret("FIRST"), secret("SECOND")))


def test_each_restart_says_how_many_pods(compared: Compared) -> None:
    def restarted(kind: str, replicas: str = "1") -> list[str]:
        before, after = (deployment(kind, replicas, web=f"web:{n}") for n in (1, 2))
        return [each for each in risks(compared(before, after)) if "restarts" in each]

    assert restarted("Deployment") == ["this restarts 1 pod"]
    assert restarted("StatefulSet", "2") == ["this restarts 2 pods"]
    assert restarted("DaemonSet") == ["this restarts a pod on every node"]


def test_only_a_container_that_stays_runs_another_image(compared: Compared) -> None:
    before = deployment(web="web:1", old="old:1", same="same:1")
    after = deployment(web="web:2", new="new:1", same="same:1")

    images = [each for each in risks(compared(before, after)) if " runs " in each]
    assert images == ["container web runs web:2 instead of web:1"]
    assert not any(" runs " in each for each in risks(compared("", after)))


def test_no_pods_are_left_when_the_replicas_become_0_or_the_workload_goes(
    compared: Compared,
) -> None:
    some, none = deployment(web="web:1"), deployment(replicas="0", web="web:1")
    stops, removes = "this stops every pod: replicas is 0", "this removes the workload and all"

    assert stops in risks(compared(some, none))
    assert stops not in risks(compared(none, none.replace("web:1", "web:2")))
    assert stops not in risks(compared(none, some))
    assert any(each.startswith(removes) for each in risks(compared(some, "")))
    set_ = deployment("StatefulSet", web="web:1")
    assert not any(each.startswith(removes) for each in risks(compared(set_, "")))
    assert "this deletes it, and its pods" in risks(compared(set_, ""))


def test_a_service_says_which_ports_it_opens_or_takes_away(compared: Compared) -> None:
    inside, outside = service(80, 443, kind="ClusterIP"), service(80, 443)

    assert any(
        each.startswith("this exposes port 80, 443 outside the cluster")
        for each in risks(compared(inside, outside))
    )
    assert "this takes away the outside address of port 80, 443" in risks(compared(outside, inside))
    assert "this takes away the outside address of port 80, 443" in risks(compared(outside, ""))
    node = service(80, kind="NodePort")
    assert any("exposes port 80" in each for each in risks(compared(inside, node)))
    assert risks(compared(inside, service(80, kind="ClusterIP"))) == []


def test_rights_are_a_risk_whoever_gets_them(compared: Compared) -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: {}\nmetadata: {{name: web}}\n"
    project = "apiVersion: argoproj.io/v1alpha1\nkind: AppProject\nmetadata: {name: web}\n"
    texts = [
        role.format(kind) for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
    ]

    for text in [*texts, project]:
        assert "this changes what somebody may do" in risks(compared("", text)), text


def test_the_worst_risk_comes_first(compared: Compared) -> None:
    claim = (
        "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data, namespace: shop}\n"
        "spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
    )
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: web}\n"
    before = "---\n".join(
        [claim, deployment(web="web:1"), service(80, kind="ClusterIP"), secret("A")]
    )
    after = "---\n".join([deployment(web="web:2"), service(80), secret("B"), role])

    said = [each.split(":")[0].split(",")[0] for each in risks(compared(before, after))]
    assert said == [
        "this deletes it",
        "this exposes port 80 outside the cluster",
        "this changes what somebody may do",
        "the secret loses A",
        "this changes a secret; a database's own password changes only by ALTER ROLE",
        "container web runs web",
        "this restarts 2 pods",
    ]
    verdict = compared(before, after).sections[0].verdict
    assert verdict.endswith("**5 risks**"), "an image and a restart are nothing to hesitate about"


def test_a_namespace_that_lets_pods_do_more_is_a_risk(compared: Compared) -> None:
    label = "labels: {{pod-security.kubernetes.io/enforce: {}}}"
    strict, weak = (
        NAMESPACE.replace("name: shop", "name: shop, " + label.format(level))
        for level in ("restricted", "privileged")
    )

    (said,) = risks(compared(strict, weak))
    assert "restricted" in said
    assert "privileged" in said
    assert risks(compared(weak, strict)) == []
