"""How a Service of type LoadBalancer can be reached: from its manifest, and from what runs.

`plan`, `status` and `diff` use these words. The annotations are those of the cloud controller that
EKS runs (kubernetes/cloud-provider-aws, docs/service_controller.md), which makes Classic Load
Balancers. It never changes the scheme of one that exists: a changed annotation only moves it to
other subnets (pkg/providers/v1/aws_loadbalancer.go there, ensureLoadBalancer), where it may be
reachable by nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ci.tree import networks
from ci.tree.overlays import SERVICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ci.tree.settings import Settings

PAGE = "docs/reach.md"
PORT = 5153
PREFIX = "service.beta.kubernetes.io/aws-load-balancer-"
INTERNAL = f"{PREFIX}internal"
CERTIFICATE = f"{PREFIX}ssl-cert"


class Door(NamedTuple):
    """How a balancer is to be made.

    Attributes:
        internal: whether it has addresses of the VPC only.
        ranges: who is let in; empty for everybody who gets as far as the balancer.
        certificate: the ARN with which TLS ends at it; empty for none.
    """

    internal: bool
    ranges: tuple[str, ...]
    certificate: str

    @property
    def scheme(self) -> str:
        """AWS's word for where its addresses are."""
        return "internal" if self.internal else "internet-facing"

    @property
    def sentence(self) -> str:
        """Who can reach it, and how."""
        tls = "TLS" if self.certificate else "plain HTTP"
        return f"an {self.scheme} load balancer, {tls}, open to {self.who}"

    @property
    def is_open(self) -> bool:
        """Whether the whole internet is let in."""
        return not self.internal and (not self.ranges or networks.are_everybody(self.ranges))

    @property
    def who(self) -> str:
        """Who is let in."""
        if self.is_open:
            return "the whole internet"
        if self.ranges and not networks.are_everybody(self.ranges):
            return ", ".join(self.ranges)
        return "the whole VPC"


def door(service: Mapping[str, Any]) -> Door | None:
    """The balancer that a Service asks for; None if it asks for none."""
    spec = service.get("spec") or {}
    if spec.get("type") != "LoadBalancer":
        return None
    annotations = (service.get("metadata") or {}).get("annotations") or {}
    # Any value but "false" means yes (the controller's aws.go, EnsureLoadBalancer).
    internal = str(annotations.get(INTERNAL) or "false") != "false"
    return Door(
        internal,
        tuple(str(each) for each in spec.get("loadBalancerSourceRanges") or ()),
        str(annotations.get(CERTIFICATE) or ""),
    )


def forward(namespace: str) -> str:
    """The command that reaches a namespace's service without a balancer."""
    return f"kubectl -n {namespace} port-forward service/{SERVICE} {PORT}"


def planned(settings: Settings) -> Door:
    """The balancer that settings.yaml asks for, in the last environment."""
    return Door(settings.prod_internal, settings.prod_cidrs, settings.prod_certificate)


def is_wider(before: Door, after: Door) -> bool:
    """Whether somebody is let in who was not; no ranges mean everybody."""
    old, new = (each.ranges or (networks.EVERYBODY,) for each in (before, after))
    return not all(networks.is_covered(each, old) for each in new)


def host(service: Mapping[str, Any]) -> str:
    """The name or address that a running Service has; empty while it has none."""
    status = (service.get("status") or {}).get("loadBalancer") or {}
    for ingress in status.get("ingress") or ():
        return str(ingress.get("hostname") or ingress.get("ip") or "")
    return ""


def real_scheme(host_name: str) -> str:
    """The scheme that an AWS balancer's own name shows; empty for a name that shows none.

    An internal Classic Load Balancer's name begins with `internal-`
    (https://docs.aws.amazon.com/elasticloadbalancing/latest/classic/elb-internal-load-balancers.html).
    """
    if not host_name.endswith((".elb.amazonaws.com", ".elb.amazonaws.com.cn")):
        return ""
    return "internal" if host_name.startswith("internal-") else "internet-facing"


def mismatch(wanted: Door, host_name: str) -> str:
    """Say that the balancer that runs is of the other scheme; empty if not, or if it isn't seen."""
    real = real_scheme(host_name)
    if real in ("", wanted.scheme):
        return ""
    return (
        f"the load balancer {host_name} is {real}, and git says {wanted.scheme}. AWS doesn't change"
        f" the scheme of an existing one: a new Service gets a new one ({PAGE})"
    )


def judge(service: Mapping[str, Any], namespace: str) -> tuple[str, str]:
    """How a running Service can be reached, and what is wrong with that; empty for nothing."""
    found = door(service)
    if found is None:
        return forward(namespace), ""
    address = host(service)
    where = f"{address}:{PORT}" if address else "which has no address yet"
    return f"{found.sentence}: {where}", mismatch(found, address)
