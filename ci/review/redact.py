"""Removes secrets from everything that is shown, wherever they are.

A reviewer needs to see that a secret changed, not what it is. Values of Secrets are hidden whole;
elsewhere, what follows a name like `password`, what has the form of a credential, and what looks
random. A short digest shows that two values differ, and reveals neither.
"""

from __future__ import annotations

import copy
import hashlib
import re
from typing import TYPE_CHECKING, Any

from treecheck.kube.secrets import ENCODED, FORMS, NO_VALUE, SECRET_NAME, is_random
from treecheck.model import as_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from treecheck.model import Manifest, Resource

_NAMES = (
    "pass(?:word|wd|phrase)?|pwd|secret|token|api[_-]?key|private[_-]?key|credentials?"
    "|(?:access|account|auth|client|encryption|licen[cs]e|master|shared|signing)[_-]?key"
    "|signature|[?&]sig"
)
# `password: x`, `TOKEN=x`, `"secret": "x"` and `--db-password x`, inside any text.
ASSIGNED = re.compile(
    rf"""((?:{_NAMES})["']?\s*[=:]\s*["']?|--[\w-]*(?:{_NAMES})\s+)([^\s"',;&}}]{{3,}})""",
    re.IGNORECASE,
)
# `Bearer x`, as a header has it; `password x`, as .netrc has it behind a login.
SPOKEN = re.compile(
    r"(\b(?:Bearer|Basic|Token) +|\b(?:login|account)\s+\S+\s+password\s+)([\w.~+/=-]{6,})",
    re.IGNORECASE,
)
HEADER = re.compile(r"(^|-)(authorization|cookie)$", re.IGNORECASE)
FLAG = re.compile(rf"--?[\w-]*({_NAMES})", re.IGNORECASE)
PEM = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
# A shorter one is hidden where it stands alone: elsewhere it would take words apart.
SHORTEST = 6
PLAIN_KEYS = re.compile(r"(_FILE|_PATH|_NAME|secretName|secretKeyRef|secretRef)$", re.IGNORECASE)


def redacted(manifest: Manifest) -> Manifest:
    """A copy of a manifest without any secret value."""
    body: Manifest = copy.deepcopy(manifest)
    if body.get("kind") == "Secret":
        for field in ("data", "stringData"):
            for key, value in as_mapping(body.get(field)).items():
                body[field][key] = hidden(str(value))
    if body.get("kind") == "SealedSecret":
        sealed = as_mapping(as_mapping(body.get("spec")).get("encryptedData"))
        for key, value in sealed.items():
            sealed[key] = f"(sealed, {digest(str(value))})"
        template = as_mapping(as_mapping(as_mapping(body.get("spec")).get("template")).get("data"))
        for key, value in template.items():  # beside what is sealed, in plain text
            template[key] = hidden(str(value))
    return as_mapping(_walk(body, ""))


def hidden(value: str) -> str:
    """What is shown instead of a secret."""
    return f"(redacted, {digest(value)})"


def digest(value: str) -> str:
    """Eight characters that differ where values differ; salted, so that no table finds one."""
    return hashlib.scrypt(value.encode(), salt=b"ci diff", n=2**10, r=8, p=1, dklen=4).hex()


def _walk(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        # An entry of `env` has its name beside its value.
        own = value.get("name") if "value" in value else None
        return {
            key: _walk(item, str(own) if own and key == "value" else str(key))
            for key, item in value.items()
        }
    if isinstance(value, list):
        # ["--password", "x"]: the flag is one entry, its value the next.
        flags = ["", *value]
        return [
            hidden(item)
            if isinstance(item, str) and isinstance(flag, str) and FLAG.fullmatch(flag)
            else _walk(item, name)
            for flag, item in zip(flags, value, strict=False)
        ]
    if isinstance(value, str):
        return _text(value, name)
    # A password may be a number: YAML takes it for one where nobody quotes it.
    return hidden(str(value)) if value is not None and _is_secret(str(value), name) else value


def _text(value: str, name: str) -> str:
    if value.startswith(("(redacted, ", "(sealed, ")):
        return value
    return hidden(value) if _is_secret(value, name) else clean(value)


def _is_secret(value: str, name: str) -> bool:
    """Whether a value is secret by the name that it stands under."""
    named = SECRET_NAME.search(name) and not PLAIN_KEYS.search(name)
    return bool(named or HEADER.search(name)) and not NO_VALUE.match(value)


def secrets_of(resources: Iterable[Resource], documents: Iterable[Any] = ()) -> frozenset[str]:
    """The secret values of resources, as a finding or an error might quote them.

    `documents` are those of the tree's files: the checker takes out of a resource what has a type
    that the API server refuses, and quotes it.

    A word of lower-case letters is left out: it may stand anywhere and mean something else.
    """
    found: set[str] = set()
    for resource in resources:
        found |= {*resource.hidden, *_values(resource.body, "")}
    for document in documents:
        found |= {*_values(document, "")}
    return frozenset(
        each for each in found if len(each) >= SHORTEST and not (each.isalpha() and each.islower())
    )


def _values(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        own = value.get("name") if "value" in value else None
        for key, item in value.items():
            yield from _values(item, str(own) if own and key == "value" else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from _values(item, name)
    elif name and value is not None and _is_secret(str(value), name):
        yield str(value)


def without(text: str, secrets: frozenset[str]) -> str:
    """A text without known secrets, and without what has the form of a credential.

    It is the last look at everything that is said: names of resources and files come from anybody.
    """
    text = PEM.sub(lambda found: hidden(found[0]), text)
    for form in FORMS.values():
        text = form.sub(lambda found: hidden(found[0]), text)
    if secrets:
        longest = sorted(map(re.escape, secrets), key=len, reverse=True)
        known = re.compile(rf"(?<![\w-])(?:{'|'.join(longest)})(?![\w-])")
        text = known.sub(lambda found: hidden(found[0]), text)
    return text


def clean_sentence(text: str) -> str:
    """A sentence without what is recognised in it as secret.

    In prose a plain word may follow `Secret: `; it is part of the sentence.
    """
    return clean(text, assigned=_assigned_in_prose)


def clean(text: str, assigned: Callable[[re.Match[str]], str] | None = None) -> str:
    """A text without what is recognised in it as secret."""
    text = PEM.sub(lambda found: hidden(found[0]), text)
    for form in FORMS.values():
        text = form.sub(lambda found: hidden(found[0]), text)
    text = SPOKEN.sub(_assigned, text)
    text = ASSIGNED.sub(assigned or _assigned, text)
    return ENCODED.sub(lambda found: hidden(found[0]) if is_random(found[0]) else found[0], text)


def _assigned(found: re.Match[str]) -> str:
    if found[2].startswith("(redacted") or NO_VALUE.match(found[2]):
        return found[0]
    return found[1] + hidden(found[2])


def _assigned_in_prose(found: re.Match[str]) -> str:
    spoken = found[1].endswith(": ") and found[2].isalpha() and found[2].islower()
    return found[0] if spoken else _assigned(found)
