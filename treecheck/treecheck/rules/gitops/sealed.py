"""SealedSecrets: does each open where it lands, and is it one at all.

Whoever seals may record what for, in annotations of any prefix: `…/sealed-for: namespace/name` and
`…/sealed-with:` the SHA-256 fingerprint of the certificate, whose file sealing-cert.pem lies beside
the secret or above it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from treecheck.model import Problem, Severity, as_mapping, as_text
from treecheck.placeholders import is_hint
from treecheck.registry import Family, Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

SEALED = "https://github.com/bitnami-labs/sealed-secrets#scopes"
SCOPES = ("sealedsecrets.bitnami.com/namespace-wide", "sealedsecrets.bitnami.com/cluster-wide")
# What the API server demands of each type of Secret.
TYPE_KEYS = {
    "kubernetes.io/tls": frozenset({"tls.crt", "tls.key"}),
    "kubernetes.io/dockerconfigjson": frozenset({".dockerconfigjson"}),
    "kubernetes.io/dockercfg": frozenset({".dockercfg"}),
    "kubernetes.io/ssh-auth": frozenset({"ssh-privatekey"}),
}
CERTIFICATE = "sealing-cert.pem"
RSA_LENGTHS = (256, 384, 512, 1024)  # bytes, of keys of 2048 to 8192 bits
TAG = 16  # bytes that AES-GCM adds


def recorded(resource: Resource, field: str) -> str:
    """What the sealer recorded under an annotation that ends in `/field`."""
    for key, value in resource.annotations.items():
        if key.endswith(f"/{field}"):
            return as_text(value)
    return ""


@rule("sealed-for-another", kinds=("SealedSecret",), source=SEALED)
def sealed_for_another(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A SealedSecret that was sealed for another namespace or name.

    In strict scope both are part of the ciphertext: the controller reports "no key could decrypt
    secret", no Secret appears, and the pods wait for it.
    """
    target = recorded(resource, "sealed-for")
    here = f"{resource.namespace}/{resource.name}"
    if target and target != here:
        name = target.rpartition("/")[2]
        renamed = resource.name != name and name in resource.name
        yield Problem(
            f"it was sealed for {target} and lands as {here}: the controller can't open it, and no "
            "Secret appears",
            fix="Leave namePrefix and nameSuffix out: they rename the SealedSecret, and not what "
            "refers to its Secret."
            if renamed
            else f"Seal the value again, for {here}.",
            path=("metadata", "name"),
        )


@rule(
    "sealed-template-elsewhere",
    kinds=("SealedSecret",),
    source=SEALED,
    unless=("sealed-for-another",),
)
def sealed_template_elsewhere(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A SealedSecret whose template names another Secret than itself.

    Kustomize's namespace transformer does not reach into the template, so a copied overlay keeps
    the other environment's namespace there.
    """
    made = as_mapping(as_mapping(resource.spec.get("template")).get("metadata"))
    for field, here in (("namespace", resource.namespace), ("name", resource.name)):
        there = as_text(made.get(field))
        if there and there != here:
            yield Problem(
                f"its template makes a Secret of {field} {there}, and it lands in {here}",
                fix=f"Set spec.template.metadata.{field} to {here}, and seal for it.",
                path=("spec", "template", "metadata", field),
            )


@rule(
    "sealed-type-keys",
    kinds=("SealedSecret",),
    source="https://kubernetes.io/docs/concepts/configuration/secret/#secret-types",
)
def sealed_type_keys(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A SealedSecret whose Secret lacks a key that its type demands.

    The controller opens it, the API server refuses the Secret, and the pods wait for it.
    """
    template = as_mapping(resource.spec.get("template"))
    keys = {*as_mapping(resource.spec.get("encryptedData")), *as_mapping(template.get("data"))}
    kind = as_text(template.get("type"))
    lacking = sorted(TYPE_KEYS.get(kind, frozenset()) - keys)
    if kind == "kubernetes.io/basic-auth" and not keys & {"username", "password"}:
        lacking = ["username", "password"]
    if lacking:
        yield Problem(
            f"its Secret is to be of type {kind} and has no {' and no '.join(lacking)}: the API "
            "server refuses it, and no Secret appears",
            fix=f"Seal {' and '.join(lacking)} too, or set the type to Opaque.",
            path=("spec", "template", "type"),
        )


@rule(
    "sealed-scope-wide",
    family=Family.POLICY,
    kinds=("SealedSecret",),
    source=SEALED,
    severity=Severity.WARNING,
)
def sealed_scope_wide(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A SealedSecret that opens under other names, or in any namespace.

    Whoever may create a SealedSecret somewhere can then read its value there.
    """
    for scope in SCOPES:
        if as_text(resource.annotations.get(scope)) == "true":
            yield Problem(
                f"its scope is {scope.rpartition('/')[2]}: whoever may create SealedSecrets there "
                "can read the value",
                fix="Leave the annotation out and seal in strict scope.",
                path=("metadata", "annotations", scope),
            )


@rule("sealed-scope-misplaced", kinds=("SealedSecret",), source=SEALED)
def sealed_scope_misplaced(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A scope in the template of a SealedSecret, and not on the SealedSecret itself.

    The controller reads the scope from the SealedSecret's own annotations. One that stands in the
    template alone ends up on the Secret, and the value counts as sealed in strict scope: sealed
    with that scope, it can't be opened.
    """
    made = as_mapping(as_mapping(resource.spec.get("template")).get("metadata"))
    for scope in SCOPES:
        inner = as_text(as_mapping(made.get("annotations")).get(scope))
        if inner == "true" and as_text(resource.annotations.get(scope)) != "true":
            yield Problem(
                f"{scope} stands in the template, where the controller does not look: a value "
                "sealed in that scope can't be opened",
                fix=f"Put {scope} under metadata.annotations too.",
                path=("spec", "template", "metadata", "annotations", scope),
            )


@rule("ciphertext-invalid", kinds=("SealedSecret",), source=SEALED)
def ciphertext_invalid(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A value under encryptedData that is not ciphertext.

    It is base64 of two bytes with the length of the RSA part, that part, and the AES-GCM part with
    its tag. A value cut short by an editor can't be opened. One that is base64 of plain text can't
    either, and has leaked the secret. A word such as REPLACE_ME is one that people seal a value of
    their own over.
    """
    for key, value in as_mapping(resource.spec.get("encryptedData")).items():
        wrong = _wrong(as_text(value))
        to_fill = len(as_text(value)) < LONGEST_WORD and is_hint(as_text(value))
        if wrong and not to_fill:
            yield Problem(
                f"key {key} is not ciphertext: {wrong}",
                fix="Change the secret wherever it is valid, and seal the new value."
                if wrong == READABLE
                else "Seal the value again.",
                path=("spec", "encryptedData", key),
            )


@rule(
    "ciphertext-copied",
    scope=Scope.CLUSTER,
    source=SEALED,
    unless=("sealed-for-another", "sealed-scope-misplaced", "sealed-with-another-certificate"),
)
def ciphertext_copied(cluster: Cluster) -> Iterator[Problem]:
    """A sealed value that stands in two SealedSecrets of different names or namespaces.

    In strict scope both are part of the ciphertext, and each sealing makes another one: a value
    that was copied opens in one of the two at most. The controller reports "no key could decrypt
    secret" for the other, and no Secret appears.
    """
    first: dict[str, Resource] = {}
    for sealed in cluster.of_kind("SealedSecret"):
        for key, value in as_mapping(sealed.spec.get("encryptedData")).items():
            other = first.setdefault(as_text(value), sealed)
            if _label(other) == _label(sealed) or _wrong(as_text(value)):
                continue
            yield Problem(
                f"key {key} has the same ciphertext as one of SealedSecret "
                f"{other.namespace}/{other.name}: one of the two can't be opened",
                fix=f"Seal the value again, for {sealed.namespace}/{sealed.name}.",
                path=("spec", "encryptedData", key),
                resource=sealed,
                related=(other,),
            )


def _label(sealed: Resource) -> str:
    """What the ciphertext of a SealedSecret is bound to: by its scope."""
    namespace_wide, cluster_wide = (as_text(sealed.annotations.get(s)) == "true" for s in SCOPES)
    if cluster_wide:
        return ""
    return sealed.namespace if namespace_wide else f"{sealed.namespace}/{sealed.name}"


LONGEST_WORD = 100  # characters of what stands for a value; ciphertext has hundreds
READABLE = "it is base64 of plain text, so whoever can read the repository has the secret"


def _is_readable(data: bytes) -> bool:
    """Whether bytes are text that somebody can read; ciphertext begins with the bytes 2 and 0."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return bool(text) and text.rstrip("\n").isprintable()


def _wrong(value: str) -> str:
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return "it is not base64"
    if _is_readable(data):
        return READABLE
    length = int.from_bytes(data[:2], "big")
    if length not in RSA_LENGTHS:
        return f"its RSA part would be {length} bytes, and is 512 for a 4096-bit key"
    if len(data) < 2 + length + TAG:
        return f"it ends after {len(data)} bytes, before its AES part"
    return ""


@rule(
    "sealed-with-another-certificate",
    kinds=("SealedSecret",),
    source=SEALED,
    unless=("sealed-for-another",),
)
def sealed_with_another_certificate(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A SealedSecret that was sealed with another certificate than the one kept beside it.

    The kept certificate is the cluster's. A value sealed for another key can't be opened there.
    """
    fingerprint = recorded(resource, "sealed-with").lower().replace(":", "")
    kept = _certificate(resource.origin.file) if fingerprint else None
    if kept is None:
        return
    try:
        ours = _fingerprint(kept.read_text("ascii"))
    except ValueError:
        ours = ""
    if ours != fingerprint:
        yield Problem(
            f"it was sealed with the certificate {fingerprint[:16]}…, and the one kept in "
            f"{kept.parent.name}/{kept.name} is {ours[:16] or 'none'}…: the cluster opens it only "
            "if it has kept that older key",
            fix="Seal the value again with the kept certificate.",
            path=("metadata", "annotations"),
        )


def _fingerprint(certificate: str) -> str:
    """The SHA-256 of a certificate's bytes, in hex; its file is PEM (RFC 7468).

    Raises:
        ValueError: it is not.
    """
    _, _, rest = certificate.partition("-----BEGIN CERTIFICATE-----")
    body, end, _ = rest.partition("-----END CERTIFICATE-----")
    if not end:
        raise ValueError("it is not a certificate")
    return hashlib.sha256(base64.b64decode("".join(body.split()), validate=True)).hexdigest()


def _certificate(file: Path | None) -> Path | None:
    """The nearest certificate in the file's folder or above it, within two levels."""
    for folder in list(file.parents)[:3] if file else ():
        if (folder / CERTIFICATE).is_file():
            return folder / CERTIFICATE
    return None


MANAGED = ("sealedsecrets.bitnami.com/managed", "sealedsecrets.bitnami.com/patch")


@rule(
    "secret-beside-sealed",
    kinds=("Secret",),
    source="https://github.com/bitnami-labs/sealed-secrets#managing-existing-secrets",
)
def secret_beside_sealed(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A plain Secret of the name that a SealedSecret makes.

    The controller does not overwrite a Secret that it did not make: "already exists and is not
    managed by SealedSecret". The pods get the plain one, and a sealed change never arrives.
    """
    if any(resource.annotations.get(key) == "true" for key in MANAGED):
        return
    sealed = cluster.get("SealedSecret", resource.namespace, resource.name)
    if sealed is not None:
        yield Problem(
            f"SealedSecret {sealed.name} makes a Secret of this name, and the controller does "
            "not overwrite this one: what is sealed never arrives",
            fix=f'Remove the Secret, or annotate it with {MANAGED[0]}: "true".',
            path=("metadata", "name"),
            related=(sealed,),
        )
