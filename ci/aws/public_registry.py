"""A registry of public images, asked over HTTP for the digest that a tag has now.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md (pulling manifests), and
https://distribution.github.io/distribution/spec/auth/token/ for the token that even an anonymous
caller needs: the registry's first answer is 401 and says where to fetch it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import requests

from ci.errors import CiError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

# An image for several platforms is an index; without these two a registry answers with one of them.
INDEXES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
_ACCEPT = ", ".join(INDEXES)
_TIMEOUT = 30
_IMAGE = re.compile(
    r"(?P<host>(localhost|[\w.-]+\.[\w.-]+)(:\d+)?)/(?P<name>[a-z0-9._/-]+):(?P<tag>[\w][\w.-]*)"
    r"(@(?P<digest>sha256:[0-9a-f]{64}))?"
)


class RegistryError(CiError):
    """A registry can't be reached, refuses, or doesn't have what was asked for."""

    exit_code = 5


class Image(NamedTuple):
    """An image by its full name: `public.ecr.aws/docker/library/python:3.11@sha256:…`.

    Attributes:
        host: the registry, with a port where it has one.
        name: the repository there.
        tag: the tag.
        digest: `sha256:…`, or an empty string.
    """

    host: str
    name: str
    tag: str
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Image:
        """Read an image's name.

        Raises:
            InputError: it has no registry or no tag.
        """
        found = _IMAGE.fullmatch(text)
        if found is None:
            raise InputError(
                f"{text!r} does not name an image with its registry and its tag",
                hint="For example public.ecr.aws/docker/library/python:3.11-slim-bookworm",
            )
        return cls(found["host"], found["name"], found["tag"], found["digest"] or "")

    def __str__(self) -> str:
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.host}/{self.name}:{self.tag}{digest}"


class Index(NamedTuple):
    """What a tag names now: its digest, and the platforms that it is for (`linux/amd64`)."""

    digest: str
    platforms: frozenset[str]


def index_of(image: Image) -> Index:
    """Ask an image's registry for the index that its tag names now.

    The digest is computed from the answer's bytes, not believed.

    Raises:
        RegistryError: the registry can't be asked or refuses, or the tag names an image for one
            platform alone.
    """
    scheme = "http" if image.host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
    url = f"{scheme}://{image.host}/v2/{quote(image.name)}/manifests/{quote(image.tag)}"
    with requests.Session() as session:
        answer = _get(session, url, image, accept=_ACCEPT)
        if answer.status_code == requests.codes.unauthorized:
            token = _token(session, answer.headers.get("WWW-Authenticate", ""), image)
            answer = _get(session, url, image, accept=_ACCEPT, token=token)
    if not answer.ok:
        raise _refusal(answer, image)
    manifests = _manifests(answer, image)
    digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
    said = answer.headers.get("Docker-Content-Digest", digest)
    if said != digest:
        raise RegistryError(
            f"{image.host} says that {image} is {said}, and what it sent is {digest}",
            hint="Ask again; a proxy in between may have changed the answer.",
        )
    platforms = (each.get("platform", {}) for each in manifests)
    names = (f"{each.get('os')}/{each.get('architecture')}" for each in platforms)
    return Index(digest, frozenset(names) - {"unknown/unknown"})  # that is an attestation


def _get(
    session: requests.Session, url: str, image: Image, *, accept: str = "", token: str = ""
) -> requests.Response:
    headers = {"Accept": accept or "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        return session.get(url, headers=headers, timeout=_TIMEOUT)
    except requests.RequestException as error:
        raise RegistryError(
            f"the registry of {image} can't be asked: {error}",
            hint="Is the internet reachable from here? Nothing was changed.",
        ) from error


def _token(session: requests.Session, challenge: str, image: Image) -> str:
    """Fetch the token that a challenge (RFC 6750, 3) speaks of."""
    kind, _, rest = challenge.partition(" ")
    said: Mapping[str, str] = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    if kind.lower() != "bearer" or not said.get("realm", "").startswith(("https://", "http://")):
        raise RegistryError(f"{image.host} wants a log-in that is not known here: {challenge!r}")
    query = "&".join(f"{name}={quote(said[name])}" for name in ("service", "scope") if name in said)
    answer = _get(session, f"{said['realm']}?{query}", image)
    if not answer.ok:
        raise _refusal(answer, image)
    found: dict[str, Any] = answer.json()
    token = found.get("token") or found.get("access_token")
    if not token:
        raise RegistryError(f"{said['realm']} sent no token for {image}")
    return str(token)


def _manifests(answer: requests.Response, image: Image) -> list[dict[str, Any]]:
    kind = answer.headers.get("Content-Type", "").partition(";")[0]
    if kind not in INDEXES:
        raise RegistryError(
            f"{image} is for one platform alone ({kind})",
            hint="Take an image for several platforms, so that laptops and nodes build the same.",
        )
    manifests: list[dict[str, Any]] = answer.json()["manifests"]
    return manifests


def _refusal(answer: requests.Response, image: Image) -> RegistryError:
    what = {404: "has no such tag", 429: "refuses for now: too many requests from this address"}
    return RegistryError(
        f"{image}: {image.host} {what.get(answer.status_code, f'answers {answer.status_code}')}",
        hint="Nothing was changed. Try again later, or correct the name in the Dockerfile.",
    )
