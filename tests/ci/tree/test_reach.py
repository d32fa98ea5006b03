"""Who can reach a Service: from its manifest, and from the name that AWS gave its balancer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

import ci.platform.rules  # noqa: F401  # its rules are registered by importing them
from ci.tree import networks, reach
from treecheck.engine import check
from treecheck.facts import Facts
from treecheck.inputs import gather
from treecheck.schemas import versions

if TYPE_CHECKING:
    from pathlib import Path

ARN = "arn:aws:acm:us-east-1:123456789012:certificate/0a1b"
OFFICE = "203.0.113.0/24"


def service(internal: str | None, *ranges: str, certificate: str = "") -> dict[str, Any]:
    annotations = {reach.CERTIFICATE: certificate}
    if internal is not None:
        annotations[reach.INTERNAL] = internal
    spec = {"type": "LoadBalancer", "loadBalancerSourceRanges": list(ranges)}
    return {"kind": "Service", "metadata": {"annotations": annotations}, "spec": spec}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (service("true"), "an internal load balancer, plain HTTP, open to the whole VPC"),
        (service("true", "10.8.0.0/16"), "an internal load balancer, plain HTTP, open to 10.8."),
        (service("0.0.0.0/0"), "an internal load balancer"),
        (service("false"), "an internet-facing load balancer, plain HTTP, open to the whole inte"),
        (service(None), "an internet-facing load balancer, plain HTTP, open to the whole interne"),
        (service(""), "an internet-facing load balancer"),
        (
            service("false", OFFICE, "198.51.100.7/32", certificate=ARN),
            "an internet-facing load balancer, TLS, open to 203.0.113.0/24, 198.51.100.7/32",
        ),
        (service("false", "0.0.0.0/1", "128.0.0.0/1"), "open to the whole internet"),
    ],
)
def test_a_manifest_says_who_can_reach_it(asked: dict[str, Any], sentence: str) -> None:
    door = reach.door(asked)
    assert door is not None
    assert sentence in door.sentence


@pytest.mark.parametrize("spec", [{}, {"type": "ClusterIP"}, None])
def test_a_service_without_a_balancer_has_no_door(spec: dict[str, Any] | None) -> None:
    assert reach.door({"kind": "Service", "spec": spec}) is None
    assert reach.door({}) is None


@pytest.mark.parametrize(
    ("asked", "findings"),
    [
        (service(None), ["balancer-open"]),
        (service("false"), ["balancer-open"]),
        (service("false", OFFICE), []),
        (service("false", networks.EVERYBODY), []),
        (service("true"), []),
    ],
)
def test_the_checker_reports_a_balancer_that_names_nobody(
    tmp_path: Path, asked: dict[str, Any], findings: list[str]
) -> None:
    named = {**asked["metadata"], "name": "web", "namespace": "shop"}
    ports = [{"name": "http", "port": 80}]
    manifest = {**asked, "apiVersion": "v1", "metadata": named}
    manifest["spec"] = {**asked["spec"], "ports": ports}
    file = tmp_path / "service.yaml"
    file.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    report = check(gather([str(file)], Facts()), Facts(), versions()[-1])
    found = [each.rule for each in report.findings if each.rule.startswith("balancer-")]
    assert found == findings


@pytest.mark.parametrize(
    ("before", "after", "wider"),
    [
        ((OFFICE,), (OFFICE, "198.51.100.0/24"), True),
        ((OFFICE,), ("203.0.112.0/23",), True),
        ((OFFICE,), (), True),
        ((OFFICE,), (networks.EVERYBODY,), True),
        ((OFFICE,), ("203.0.113.0/28",), False),
        (("203.0.113.0/25", "203.0.113.128/25"), (OFFICE,), False),
        ((), (OFFICE,), False),
        ((networks.EVERYBODY,), (), False),
    ],
)
def test_letting_somebody_in_who_was_not_is_wider(
    before: tuple[str, ...], after: tuple[str, ...], wider: bool
) -> None:
    old, new = (reach.Door(internal=False, ranges=each, certificate="") for each in (before, after))
    assert reach.is_wider(old, new) is wider


@pytest.mark.parametrize(
    ("host", "scheme"),
    [
        ("internal-a0b1c2-1234567890.us-east-1.elb.amazonaws.com", "internal"),
        ("a0b1c2-1234567890.us-east-1.elb.amazonaws.com", "internet-facing"),
        ("internal-a0b1c2-1.cn-north-1.elb.amazonaws.com.cn", "internal"),
        ("10.250.0.128", ""),
        ("", ""),
    ],
)
def test_a_balancers_name_shows_its_scheme(host: str, scheme: str) -> None:
    assert reach.real_scheme(host) == scheme


def test_a_balancer_of_the_other_scheme_is_a_fault_with_its_page() -> None:
    host = "a0b1c2-1234567890.us-east-1.elb.amazonaws.com"
    internal, facing = (reach.Door(each, (), "") for each in (True, False))
    said = reach.mismatch(internal, host)
    assert f"{host} is internet-facing, and git says internal" in said
    assert "docs/reach.md" in said
    assert reach.mismatch(facing, host) == ""
    assert reach.mismatch(internal, f"internal-{host}") == ""
    assert reach.mismatch(internal, "") == ""


@pytest.mark.parametrize(
    ("status", "host"),
    [
        ({"loadBalancer": {"ingress": [{"hostname": "a.example"}]}}, "a.example"),
        ({"loadBalancer": {"ingress": [{"ip": "10.250.0.128"}]}}, "10.250.0.128"),
        ({"loadBalancer": {}}, ""),
        (None, ""),
    ],
)
def test_the_address_is_what_the_cluster_wrote(status: dict[str, Any] | None, host: str) -> None:
    assert reach.host({"status": status}) == host


@pytest.mark.parametrize(
    ("ranges", "inside"),
    [
        ((), True),
        (("10.0.0.0/8", "172.31.0.0/16", "192.168.7.0/24", "100.64.0.0/10"), True),
        (("172.32.0.0/16",), False),
        ((OFFICE,), False),
        ((networks.EVERYBODY,), False),
        (("8.0.0.0/6",), False),
    ],
)
def test_private_ranges_never_arrive_from_the_internet(
    ranges: tuple[str, ...], inside: bool
) -> None:
    assert networks.stay_inside(ranges) is inside
