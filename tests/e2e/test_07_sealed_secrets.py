"""A SealedSecret becomes its Secret where it was sealed for, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.e2e.harness.cluster import until
from tests.e2e.harness.world import CLIENT_NAMESPACE

if TYPE_CHECKING:
    from tests.e2e.harness.world import World


def test_07_a_sealed_secret_becomes_its_secret(world: World) -> None:
    for cluster in (world.dev, world.prod):
        secret = cluster.get("secret", "coworking-secret")

        assert secret["metadata"]["ownerReferences"][0]["kind"] == "SealedSecret"
        assert list(secret["data"]) == ["DB_PASSWORD"]


def test_07_one_that_was_sealed_for_another_namespace_is_refused_with_a_message(
    world: World,
) -> None:
    sealed = world.dev.get("sealedsecret", "coworking-secret")
    world.client.apply(
        {
            "apiVersion": sealed["apiVersion"],
            "kind": "SealedSecret",
            "metadata": {"name": "coworking-secret", "namespace": CLIENT_NAMESPACE},
            "spec": {"encryptedData": sealed["spec"]["encryptedData"]},
        }
    )

    refusal = until("the controller has answered", lambda: _condition(world), within=30)

    assert refusal["status"] == "False"
    assert "no key could decrypt secret" in refusal["message"]
    assert not world.client.exists("secret", "coworking-secret")


def _condition(world: World) -> dict[str, Any] | None:
    status = world.client.get("sealedsecret", "coworking-secret").get("status") or {}
    return next(iter(status.get("conditions") or []), None)
