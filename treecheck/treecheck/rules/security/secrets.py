"""Secrets in plain text, by their structure, by the name they stand under, and by their entropy.

No message shows a value: it shows the place, what was recognised, and the length.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from treecheck.kube.secrets import NO_VALUE, REFERENCE, SECRET_NAME, is_random, recognised
from treecheck.model import Problem, as_list, as_mapping, as_text, containers, each
from treecheck.registry import Family, Scope, rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from treecheck.cluster import Cluster
    from treecheck.facts import Facts
    from treecheck.files import SourceFile
    from treecheck.model import FieldPath, Resource

SOURCE = "https://kubernetes.io/docs/concepts/security/secrets-good-practices/"
SEAL = "Take it out, change it wherever it is valid, and bring the new one as a SealedSecret."

# A password in a line of a longer text: `password: …` in a file, `--db-password=…` in a command.
IN_TEXT = re.compile(
    r"(?:^|[\s;,.&?]|--)[\w.-]*(?:pass(?:word|wd)?|pwd)[\"']?\s*[:= ]\s*[\"']?"
    r"(?P<value>(?=\S*\d)(?=\S*[a-zA-Z])[^\s\"'$<{%/,;&]{6,})",
    re.IGNORECASE,
)
BEARER = re.compile(r"(Bearer|Basic|Token) +(?P<value>[\w.~+/=-]{16,})$")
# A key of 128 to 512 bits under a name that says no more than that it is one.
HEX_KEY = re.compile(r"([0-9a-f]{32}|[0-9a-f]{48}|[0-9a-f]{64}|[0-9a-f]{128})", re.IGNORECASE)
KEY_NAME = re.compile(
    r"^(?!(.*[_.-])?(PUBLIC|PUB|CACHE|SITE|KMS|PARTITION|ROUTING|OBJECT|STATE|HASH)[_-]?KEY$)"
    r".*[_.-]KEY$",
    re.IGNORECASE,
)
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@rule("credential-in-file", family=Family.POLICY, scope=Scope.FILE, source=SOURCE)
def credential_in_file(source: SourceFile, facts: Facts) -> Iterator[Problem]:
    """Text in the form of a credential, anywhere in a YAML file, comments included.

    What is in git's history is known to everybody who ever cloned it; taking the line out again
    does not help.
    """
    lines = source.text.splitlines() if recognised(source.text) else []  # most files have none
    for number, line in enumerate(lines, 1):
        what = recognised(line)
        if what:
            yield Problem(
                f"this line holds {what}, in plain text, for everybody who can read the repository",
                fix=SEAL,
                file=source.path,
                line=number,
            )


@rule("secret-in-plain-text", family=Family.POLICY, kinds=("Secret",), source=SOURCE)
def secret_in_plain_text(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A Secret with its data in the tree.

    base64 is not encryption. In a GitOps tree a secret is sealed, or fetched from outside. A value
    that only names the secret for a tool that replaces it (op://…, ref+…://…, <path:…>) is not one.
    """
    for field in ("data", "stringData"):
        for key, value in as_mapping(resource.body.get(field)).items():
            text = _plain(field, as_text(value))
            if text and not recognised(as_text(value)) and not REFERENCE.fullmatch(text.strip()):
                yield Problem(
                    f"key {key} is in the repository in plain text (base64 is not encryption)",
                    fix="Seal it: a SealedSecret of the same name, and change the value.",
                    path=(field, key),
                )


def _plain(field: str, value: str) -> str:
    """A value of a Secret as its author wrote it; what is not text stays encoded."""
    if field != "data":
        return value
    try:
        return base64.b64decode(value, validate=True).decode()
    except (ValueError, UnicodeDecodeError):
        return value


@rule("secret-in-configuration", family=Family.POLICY, source=SOURCE)
def secret_in_configuration(resource: Resource, cluster: Cluster) -> Iterator[Problem]:
    """A value that looks like a secret in a ConfigMap or in a container's `env`.

    It stands under a name such as DB_PASSWORD, or it looks drawn at random; the same goes for
    annotations, command lines, headers of probes and the text of whole files. Names that end in
    _FILE or _PATH, and values that are paths or references, are not secrets.
    """
    for path, name, value in _settings(resource):
        why = _suspicion(name, value)
        if why:
            yield Problem(
                f"{name} {why} in plain text",
                fix="Bring it from a SealedSecret, by secretKeyRef or as a mounted file.",
                path=path,
            )


def _suspicion(name: str, value: str) -> str:
    """What makes a value look like a secret, or an empty text; never the value itself."""
    if recognised(value) or NO_VALUE.match(value) or REFERENCE.fullmatch(value):
        return ""
    within = IN_TEXT.search(value) or BEARER.match(value)
    if within:
        return f"has by its look a password in it ({len(within['value'])} characters),"
    if "\n" not in value and SECRET_NAME.search(CAMEL.sub("_", name)):
        return f"is by its name a secret, and its value ({len(value)} characters) is"
    if is_random(value) or (KEY_NAME.search(CAMEL.sub("_", name)) and HEX_KEY.fullmatch(value)):
        return f"is by its look drawn at random, and its value ({len(value)} characters) is"
    return ""


def _settings(resource: Resource) -> Iterator[tuple[FieldPath, str, str]]:
    if resource.kind == "ConfigMap":
        for key, value in as_mapping(resource.body.get("data")).items():
            yield ("data", key), key, as_text(value).strip()
    for key, value in resource.annotations.items():
        yield ("metadata", "annotations", key), key.rpartition("/")[2], as_text(value)
    for path, container in containers(resource):
        for field in ("command", "args"):
            words = [as_text(word) for word in as_list(container.get(field))]
            for index, word in enumerate(words):
                before = words[index - 1] if index and words[index - 1].startswith("-") else ""
                name = before.lstrip("-") if "=" not in before else ""
                yield (*path, field, index), name or field, word
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = as_mapping(as_mapping(container.get(probe)).get("httpGet"))
            for spot, header in each(asked, "httpHeaders"):
                where = (*path, probe, "httpGet", *spot, "value")
                yield where, as_text(header.get("name")), as_text(header.get("value"))
        for place, entry in each(container, "env"):
            value = as_text(entry.get("value"))
            yield (*path, *place, "value"), as_text(entry.get("name")), value
