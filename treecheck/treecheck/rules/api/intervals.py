"""Durations in the kinds of cert-manager, external-secrets and Flux."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from treecheck.model import Problem, as_mapping, as_text, at, each
from treecheck.registry import rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.model import Resource

# https://pkg.go.dev/time#ParseDuration, by which metav1.Duration is read; 0 alone needs no unit.
_GO = re.compile(r"[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
# Flux's definitions have it as the pattern of each field.
_FLUX = re.compile(r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+")
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_SECONDS = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0,
}  # fmt: skip
_WORDS = {
    "s": (1, "s"), "sec": (1, "s"), "m": (1, "m"), "min": (1, "m"), "minute": (1, "m"),
    "h": (1, "h"), "hr": (1, "h"), "hour": (1, "h"), "d": (24, "h"), "day": (24, "h"),
    "w": (168, "h"), "week": (168, "h"), "y": (8760, "h"), "year": (8760, "h"),
}  # fmt: skip


class Durations(NamedTuple):
    """Which fields of a kind hold a duration, and how it is written."""

    form: re.Pattern[str]
    fields: tuple[str, ...]


_PULLED = Durations(_FLUX, ("interval", "timeout"))
_CERTIFICATE = Durations(_GO, ("duration", "renewBefore"))
_FETCHED = Durations(_GO, ("refreshInterval",))
_FETCHED_OFTEN = Durations(_GO, ("refreshTime", "externalSecretSpec.refreshInterval"))
_APPLIED = Durations(_FLUX, ("interval", "retryInterval", "timeout"))
_INSTALLED = Durations(
    _FLUX,
    (
        *("interval", "timeout", "chart.spec.interval"),
        *("install.timeout", "upgrade.timeout", "rollback.timeout"),
        *("uninstall.timeout", "test.timeout"),
    ),
)
_FIELDS = {
    ("cert-manager.io", "Certificate"): _CERTIFICATE,
    ("external-secrets.io", "ExternalSecret"): _FETCHED,
    ("external-secrets.io", "ClusterExternalSecret"): _FETCHED_OFTEN,
    ("external-secrets.io", "PushSecret"): _FETCHED,
    ("kustomize.toolkit.fluxcd.io", "Kustomization"): _APPLIED,
    ("helm.toolkit.fluxcd.io", "HelmRelease"): _INSTALLED,
    ("source.toolkit.fluxcd.io", "Bucket"): _PULLED,
    ("source.toolkit.fluxcd.io", "GitRepository"): _PULLED,
    ("source.toolkit.fluxcd.io", "HelmChart"): _PULLED,
    ("source.toolkit.fluxcd.io", "HelmRepository"): _PULLED,
    ("source.toolkit.fluxcd.io", "OCIRepository"): _PULLED,
}


@rule(
    "duration-malformed",
    kinds=tuple(sorted({kind for _, kind in _FIELDS})),
    source="https://pkg.go.dev/time#ParseDuration",
)
def duration_malformed(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A duration of cert-manager, external-secrets or Flux that Go doesn't read as one.

    It is a number with a unit, the longest of which is the hour: 1h30m, 2160h. Days (90d), words
    (1 hour) and numbers alone are refused, and with them the whole resource. Nought needs no unit,
    except in Flux. A field that the patches of a Kustomization of Flux write is left alone.
    """
    known = _FIELDS.get((resource.group, resource.kind))
    for field in known.fields if known else ():
        keys = tuple(field.split("."))
        value = at(resource.spec, *keys)
        if not value or not isinstance(value, str | int) or isinstance(value, bool):
            continue
        text = str(value)
        filled_in = text[0].isupper() or not set("${<").isdisjoint(text)
        wrong = known and not filled_in and not known.form.fullmatch(text)
        if wrong and not _is_patched(resource, keys[-1], cluster):
            meant = _meant(text)
            yield Problem(
                f"{keys[-1]} is {text[:40]!r}, which is not a duration",
                fix=f"Write {meant or 'a number with its unit, such as 30m or 1h'}.",
                path=("spec", *keys),
            )


def _is_patched(resource: Resource, field: str, cluster: Cluster) -> bool:
    """Whether Flux writes a field of a kind once more when it applies what it has built."""
    for one in cluster.tree:
        if (one.group, one.kind) != ("kustomize.toolkit.fluxcd.io", "Kustomization"):
            continue
        for _, entry in each(one, "spec", "patches"):
            patch = as_text(entry.get("patch"))
            kind = as_text(as_mapping(entry.get("target")).get("kind"))
            if field in patch and (kind == resource.kind or f"kind: {resource.kind}" in patch):
                return True
    return False


@rule(
    "certificate-renewal",
    kinds=("Certificate",),
    unless=("duration-malformed",),
    source="https://cert-manager.io/docs/usage/certificate/#certificate-lifecycle",
)
def certificate_renewal(resource: Resource, _cluster: Cluster) -> Iterator[Problem]:
    """A Certificate that is to be renewed before it is issued, or that ends too soon.

    cert-manager refuses a duration below 1h, a renewBefore below 5m, and one that is not below the
    duration, which is 2160h unless written.
    """
    if resource.group != "cert-manager.io":
        return
    written = resource.spec.get("duration", "2160h")
    early = resource.spec.get("renewBefore")
    lasts, before = seconds(written), seconds(early)
    if lasts is not None and lasts < 3600:
        yield _refused("duration", f"duration {written} is below 1h", "Write 1h or more.")
    elif before is not None and before < 300:
        yield _refused("renewBefore", f"renewBefore {early} is below 5m", "Write 5m or more.")
    elif lasts is not None and before is not None and before >= lasts:
        default = "" if "duration" in resource.spec else ", which is the default"
        yield _refused(
            "renewBefore",
            f"renewBefore {early} is not below the duration {written}{default}",
            "Make renewBefore the shorter one, such as a third of the duration.",
        )


def _refused(field: str, wrong: str, fix: str) -> Problem:
    return Problem(
        wrong,
        fix=fix,
        path=("spec", field),
    )


def seconds(value: object) -> float | None:
    """A duration of Go in seconds; None if it is not one.

    >>> [seconds(text) for text in ("1h30m", "-5m", "0", "90d", "60", None)]
    [5400.0, -300.0, 0.0, None, None, None]
    """
    if not isinstance(value, str) or not _GO.fullmatch(value):
        return None
    total = sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(value))
    return -total if value.startswith("-") else total


def _meant(text: str) -> str:
    """What a wrong one means, where that is plain, or "": 2160h for 90d."""
    found = re.fullmatch(r"(\d+)\s*([A-Za-z]+?)s?", text.strip())
    known = _WORDS.get(found[2].casefold()) if found else None
    return f"{int(found[1]) * known[0]}{known[1]}" if found and known else ""
