"""What a strict reader of other people's trees would not call a fault, or not in those words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_unknown import IN_SHOP, POD, run

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


def rules(tmp_path: Path, files: dict[str, str], rule: str) -> list[str]:
    return [each.rule for each in run(tmp_path, files, rule).findings]


@pytest.mark.parametrize(("place", "found"), [("shop", 0), ("bank", 1)])
def test_a_network_plugins_own_policy_may_open_what_others_close(
    place: str, found: int, tmp_path: Path
) -> None:
    service = IN_SHOP.replace("spec:\n", "spec:\n  type: NodePort\n")
    files = {"front.yaml": service, "pods.yaml": PODS, "closed.yaml": CLOSED}
    files["cilium.yaml"] = CILIUM.replace("PLACE", place)

    assert len(rules(tmp_path, files, "exposure-blocked")) == found
