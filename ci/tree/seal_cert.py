"""`make seal-cert ENV=dev`: fetch the certificate that a cluster's secrets are sealed with."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from ci.errors import CiError, CommandError
from ci.run import run
from ci.tree import overlays, sealing
from treecheck.kustomize import kubectl

if TYPE_CHECKING:
    from pathlib import Path

POLL = 2.0  # seconds between two questions to a controller that is starting


@click.command(help="Fetch a cluster's sealing certificate and keep it in an overlay.")
@click.argument("environments", nargs=-1, required=True)
@click.option("--namespace", default="kube-system", show_default=True, help="The controller's.")
@click.option(
    "--service", default="sealed-secrets-controller", show_default=True, help="Its Service."
)
@click.option(
    "--patience", default=120.0, show_default=True, help="Seconds to wait while it is starting."
)
@overlays.root_option
def command(
    environments: tuple[str, ...],
    namespace: str,
    service: str,
    patience: float,
    root: Path,
) -> None:
    paths = [overlays.certificate_path(name, root) for name in environments]
    certificate = fetch(namespace, service, patience)
    changed = [
        name for name, path in zip(environments, paths, strict=True) if keep(certificate, path)
    ]
    for path in paths:
        click.echo(
            f"{path.relative_to(root)}: SHA-256 {certificate.fingerprint},"
            f" valid until {certificate.ends:%Y-%m-%d}"
        )
    if changed:
        click.echo(f"Now seal with it: make seal ENV='{' '.join(changed)}'")
    else:
        click.echo("The cluster's is the one that was there.")


def keep(certificate: sealing.Certificate, path: Path) -> bool:
    """Write a certificate to a file; returns whether that changed it."""
    if path.exists() and path.read_text(encoding="utf-8") == certificate.pem:
        return False
    path.write_text(certificate.pem, encoding="utf-8")
    return True


def fetch(
    namespace: str, service: str, patience: float = 0.0, *, seconds: float = 30
) -> sealing.Certificate:
    """Ask the controller for its certificate, through the API server.

    Args:
        namespace: the controller's.
        service: its Service.
        patience: seconds to wait while the Service is there and no pod answers yet.
        seconds: how long one answer may take.

    Raises:
        CiError: the cluster or the controller does not answer, or the Service has no port.
        InputError: the answer is not a certificate that can be used.
    """
    path = proxy_path(namespace, service, seconds=seconds)
    deadline = time.monotonic() + patience
    while True:
        try:
            answer = run([kubectl(), "get", "--raw", path], timeout=seconds)
            break
        except CommandError as error:
            if "(ServiceUnavailable)" in error.output and time.monotonic() < deadline:
                time.sleep(POLL)
                continue
            raise _no_certificate(error, namespace, service) from error
    certificate = sealing.parse_certificate(answer, f"the answer of {service}")
    sealing.require_valid(certificate, f"the answer of {service}", sealing.utc_now())
    return certificate


def proxy_path(namespace: str, service: str, *, seconds: float = 30) -> str:
    """The path below which the API server passes a request on to the controller.

    The port goes by the name that the Service gives it, as in kubeseal (`getServicePortName` in
    its pkg/kubeseal): a port without a name is the empty one, as in upstream's controller.yaml.

    Raises:
        CiError: the cluster does not answer, or it has no such Service, or that has no port.
    """
    where = f"/api/v1/namespaces/{namespace}/services"
    try:
        found = json.loads(run([kubectl(), "get", "--raw", f"{where}/{service}"], timeout=seconds))
    except CommandError as error:
        if "(NotFound)" in error.output:
            raise CiError(
                f"the cluster has no Service {service} in the namespace {namespace},"
                " so nothing there opens what is sealed",
                hint="install sealed-secrets:\nkubectl apply --server-side -k argocd/addons\n"
                "or name its Service:\n"
                "python -m ci seal-cert dev --namespace NAMESPACE --service SERVICE",
            ) from error
        raise _no_certificate(error, namespace, service) from error
    except json.JSONDecodeError as error:
        raise CiError(
            "the server of KUBECONFIG does not answer as a Kubernetes API does",
            hint="look at the cluster that it names:\nkubectl cluster-info",
        ) from error
    ports = found.get("spec", {}).get("ports") or []
    if not ports:
        raise CiError(
            f"the Service {service} in the namespace {namespace} has no port,"
            " so the controller can't be asked",
            hint=f"look at it:\nkubectl -n {namespace} get service {service} -o yaml",
        )
    return f"{where}/http:{service}:{ports[0].get('name', '')}/proxy/v1/cert.pem"


def _no_certificate(error: CommandError, namespace: str, service: str) -> CiError:
    return CiError(
        f"the cluster gave no certificate: {error.output.strip()}",
        hint="KUBECONFIG must lead to the cluster, and sealed-secrets must run there:"
        f"\nkubectl -n {namespace} get deployment {service}",
    )
