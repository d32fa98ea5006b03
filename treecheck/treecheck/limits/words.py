"""The words in which limits are written: formats of Kubernetes' names, ranges and choices."""

from __future__ import annotations

from typing import Any

Keywords = dict[str, Any]
Limits = dict[str, dict[str, Keywords]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_NAME = "([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]"

DNS_LABEL: Keywords = {"pattern": rf"^{_LABEL}$", "maxLength": 63}
DNS_1035: Keywords = {"pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
# A name that stands in a URL.
URL_PART: Keywords = {"pattern": r"^(?!\.{1,2}$)[^/%]+$"}
SUBDOMAIN: Keywords = {"pattern": rf"^{_SUBDOMAIN}$", "maxLength": 253}
LABEL_VALUE: Keywords = {"pattern": f"^({_NAME})?$", "maxLength": 63}
LABEL_KEY: Keywords = {"pattern": rf"^({_SUBDOMAIN}/)?{_NAME}$", "maxLength": 317}
CONFIG_KEY: Keywords = {"pattern": r"^(?!\.$)(?!\.\.)[-._a-zA-Z0-9]+$", "maxLength": 253}
PORT_NAME: Keywords = {
    "pattern": "^(?=.*[a-z])(?!.*--)[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
    "maxLength": 15,
}
ENV_NAME: Keywords = {"pattern": "^[ -<>-~]+$"}
ABSOLUTE_PATH: Keywords = {"pattern": "^/"}
LOCAL_PATH: Keywords = {"pattern": r"^(?!/)(?!(.*/)?\.\.(/|$)).*$"}
# The kubelet keeps names that start with .. for itself.
FILE_PATH: Keywords = {"pattern": r"^(?!/)(?!\.\.)(?!.*/\.\.(/|$)).+$"}
PATH_WITHOUT_DOTS: Keywords = {"pattern": r"^(?!(.*/)?\.\.(/|$)).*$"}
DOMAIN_PATH: Keywords = {"pattern": rf"^{_SUBDOMAIN}/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$"}
CIDR: Keywords = {"pattern": r"^\s*[0-9a-fA-F:.]+/\d{1,3}\s*$"}
QUANTITY_PATTERN = (
    r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?\s*$"
)
# Go skips line breaks wherever they stand, and kustomize writes them.
# Source: https://pkg.go.dev/encoding/base64#Encoding.Decode
_SIGN = r"(?:[A-Za-z0-9+/][\r\n]*)"
BASE64_PATTERN = (
    rf"^[\r\n]*(?:{_SIGN}{{4}})*(?:{_SIGN}{{2}}=[\r\n]*=[\r\n]*|{_SIGN}{{3}}=[\r\n]*)?$"
)

# What a pattern asks for, in people's words: for messages.
MEANINGS: dict[str, str] = {
    str(DNS_LABEL["pattern"]): "lower-case letters, digits and hyphens, at most 63, such as web-1",
    str(DNS_1035["pattern"]): "lower-case letters, digits and hyphens, at most 63, a letter first",
    str(
        SUBDOMAIN["pattern"]
    ): "lower-case letters, digits, hyphens and dots, such as web-1.example",
    str(
        LABEL_VALUE["pattern"]
    ): "at most 63 letters, digits, - _ and ., a letter or digit at the ends",
    str(
        LABEL_KEY["pattern"]
    ): "a name of at most 63 letters, digits, - _ and ., after prefix/ or not",
    str(URL_PART["pattern"]): "a name without / and %",
    str(CONFIG_KEY["pattern"]): "letters, digits, - _ and ., at most 253",
    str(
        PORT_NAME["pattern"]
    ): "at most 15 lower-case letters, digits and hyphens, one letter at least",
    str(ENV_NAME["pattern"]): "printable ASCII without =",
    str(ABSOLUTE_PATH["pattern"]): "a path from the root, with / first",
    str(LOCAL_PATH["pattern"]): "a path inside the volume, without / first and without ..",
    str(FILE_PATH["pattern"]): "a path inside the volume, without / or .. first and without /../",
    str(DOMAIN_PATH["pattern"]): "a domain and a path, such as example.com/queue",
    str(PATH_WITHOUT_DOTS["pattern"]): "a path without ..",
    str(CIDR["pattern"]): "a network such as 10.0.0.0/8",
    QUANTITY_PATTERN: "a quantity such as 250m, 1.5, 64Mi or 1e3",
    BASE64_PATTERN: "base64",
}

PORT: Keywords = {"minimum": 1, "maximum": 65535}
NOT_NEGATIVE: Keywords = {"minimum": 0}
POSITIVE: Keywords = {"minimum": 1}
FILE_MODE: Keywords = {"minimum": 0, "maximum": 0o777}
USER_ID: Keywords = {"minimum": 0, "maximum": 2**31 - 1}
NOT_EMPTY: Keywords = {"minLength": 1}
SOME: Keywords = {"minItems": 1}
PROTOCOL: Keywords = {"enum": ["TCP", "UDP", "SCTP", ""]}


def one_of(*values: str) -> Keywords:
    """One of these words; list "" where the API server takes empty for the default."""
    return {"enum": list(values)}


def each(keywords: Keywords, **more: Any) -> Keywords:
    """Limits of every item of a list of texts."""
    return {"items": {"type": "string", **keywords}, **more}


def or_empty(keywords: Keywords) -> Keywords:
    """The same format, or an empty text."""
    pattern = str(keywords["pattern"]).removeprefix("^").removesuffix("$")
    known = MEANINGS.get(str(keywords["pattern"]), "")
    either = f"^({pattern})?$"
    MEANINGS.setdefault(either, known)
    return {**keywords, "pattern": either}
