"""`make seal-cert ENV=dev`: fetch the certificate that a cluster's secrets are sealed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ci import overlays, sealing
from ci.errors import CiError, CommandError
from ci.kustomize import kubectl
from ci.run import run

if TYPE_CHECKING:
    from pathlib import Path


@click.command(help="Fetch a cluster's sealing certificate and keep it in an overlay.")
@click.argument("environment")
@click.option("--namespace", default="kube-system", show_default=True, help="The controller's.")
@click.option(
    "--service", default="sealed-secrets-controller", show_default=True, help="Its Service."
)
@click.option(
    "--context", default="", help="A context of the kubeconfig, other than the current one."
)
@overlays.root_option
def command(environment: str, namespace: str, service: str, context: str, root: Path) -> None:
    path = overlays.certificate_path(environment, root)
    certificate = fetch(namespace, service, context)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    path.write_text(certificate.pem, encoding="utf-8")
    shown = path.relative_to(root)
    click.echo(
        f"{shown}: SHA-256 {certificate.fingerprint}, valid until {certificate.ends:%Y-%m-%d}"
        + ("" if before != certificate.pem else " (the same as before)")
    )
    if before != certificate.pem:
        click.echo(f"Now seal with it: make seal ENV={environment}")


def fetch(namespace: str, service: str, context: str = "") -> sealing.Certificate:
    """Ask the controller for its certificate, through the API server.

    Raises:
        CiError: the cluster or the controller does not answer.
        InputError: what it answers is no certificate that can be used.
    """
    # `http` is the port's name in the controller's Service, as kubeseal asks for it too.
    path = f"/api/v1/namespaces/{namespace}/services/http:{service}:http/proxy/v1/cert.pem"
    chosen = [f"--context={context}"] if context else []
    try:
        answer = run([kubectl(), *chosen, "get", "--raw", path], timeout=30)
    except CommandError as error:
        raise CiError(
            f"the cluster gave no certificate: {error.output.strip()}",
            hint="KUBECONFIG must lead to the cluster, and sealed-secrets must run there:"
            " kubectl -n kube-system get deployment sealed-secrets-controller",
        ) from error
    certificate = sealing.parse_certificate(answer, f"the answer of {service}")
    sealing.require_valid(certificate, f"the answer of {service}", sealing.utc_now())
    return certificate
