"""The functions of Go templates that people use in ApplicationSets: Go's own, sprig's, Argo CD's.

The last argument is the piped one. A value that can't be what a function takes raises any error.
Sources: https://masterminds.github.io/sprig/,
https://argo-cd.readthedocs.io/en/release-3.4/operator-manual/applicationset/GoTemplate/.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_NAME = 253


def as_shown(value: Any) -> str:
    """A value as a template prints it."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value)


def _normalize(text: Any) -> str:
    return re.sub(r"[^a-z0-9.-]", "-", as_shown(text).lower())[:LONGEST_NAME].strip("-.")


def _printf(form: str, *values: Any) -> str:
    rest = list(values)

    def place(found: re.Match[str]) -> str:
        if found[0] == "%%":
            return "%"
        value = rest.pop(0)
        verb = found[2]
        if verb == "d":
            return f"%{found[1]}d" % int(value)
        return f"%{found[1]}s" % (f'"{value}"' if verb == "q" else as_shown(value))

    return re.sub(r"%(-?\d*)([sdvq])|%%", place, form)


def _index(value: Any, *keys: Any) -> Any:
    for key in keys:
        if value is None:
            return None
        value = value.get(key) if isinstance(value, dict) else value[int(key)]
    return value


def _dig(*words: Any) -> Any:
    *keys, fallback, value = words
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            return fallback
        value = value[key]
    return value


def _trunc(length: int, text: Any) -> str:
    shown = as_shown(text)
    return shown[:length] if length >= 0 else shown[length:]


def _and(*values: Any) -> Any:
    return next((each for each in values if not each), values[-1])


def _or(*values: Any) -> Any:
    return next((each for each in values if each), values[-1])


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=True, default_flow_style=False).rstrip("\n")


def _indent(width: int, text: Any) -> str:
    return "\n".join(" " * width + line for line in as_shown(text).split("\n"))


def _default(fallback: Any, value: Any = None) -> Any:
    return value or fallback


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda *each: sum(map(int, each)),
    "and": _and,
    "b64dec": lambda text: base64.b64decode(text).decode(),
    "b64enc": lambda text: base64.b64encode(text.encode()).decode(),
    "coalesce": lambda *each: next((one for one in each if one), None),
    "contains": lambda part, text: as_shown(part) in as_shown(text),
    "default": _default,
    "dict": lambda *each: dict(zip(each[::2], each[1::2], strict=True)),
    "dig": _dig,
    "empty": lambda value=None: not value,
    "eq": lambda one, *others: any(one == other for other in others),
    "first": lambda values: values[0],
    "fromJson": json.loads,
    "fromYaml": yaml.safe_load,
    "get": lambda value, key: value.get(key, ""),
    "hasKey": lambda value, key: key in value,
    "hasPrefix": lambda part, text: text.startswith(part),
    "hasSuffix": lambda part, text: text.endswith(part),
    "indent": _indent,
    "index": _index,
    "int": int,
    "join": lambda between, values: between.join(map(as_shown, values)),
    "last": lambda values: values[-1],
    "len": len,
    "list": lambda *each: list(each),
    "lower": lambda text: as_shown(text).lower(),
    "ne": lambda one, other: one != other,
    "nindent": lambda width, text: "\n" + _indent(width, text),
    "normalize": _normalize,
    "not": lambda value: not value,
    "or": _or,
    "print": lambda *each: "".join(map(as_shown, each)),
    "printf": _printf,
    "quote": lambda value: f'"{as_shown(value)}"',
    "regexMatch": lambda pattern, text: re.search(pattern, text) is not None,
    "replace": lambda old, new, text: as_shown(text).replace(old, new),
    "splitList": lambda between, text: text.split(between),
    "squote": lambda value: f"'{as_shown(value)}'",
    "sub": lambda one, other: int(one) - int(other),
    "substr": lambda start, end, text: text[start : end if end >= 0 else None],
    "ternary": lambda one, other, wanted: one if wanted else other,
    "toJson": lambda value: json.dumps(value, separators=(",", ":"), sort_keys=True),
    "toString": as_shown,
    "toYaml": _yaml,
    "trim": lambda text: as_shown(text).strip(),
    "trimAll": lambda letters, text: as_shown(text).strip(letters),
    "trimPrefix": lambda part, text: as_shown(text).removeprefix(part),
    "trimSuffix": lambda part, text: as_shown(text).removesuffix(part),
    "trunc": _trunc,
    "upper": lambda text: as_shown(text).upper(),
}

# Every function that a template may name, those above included. Argo CD takes env, expandenv and
# getHostByName out of sprig's, and adds normalize, slugify and three for YAML.
_NAMES = (
    "abbrev abbrevboth add add1 add1f addf adler32sum ago all and any append atoi b32dec b32enc "
    "b64dec b64enc base bcrypt biggest buildCustomCert call camelcase cat ceil chunk clean "
    "coalesce compact concat contains date date_in_zone date_modify dateInZone dateModify "
    "decryptAES deepCopy deepEqual default derivePassword dict dig dir div divf duration "
    "durationRound empty encryptAES eq ext fail first float64 floor fromJson fromYaml "
    "fromYamlArray ge genCA genCAWithKey genPrivateKey genSelfSignedCert "
    "genSelfSignedCertWithKey genSignedCert genSignedCertWithKey get gt has hasKey hasPrefix "
    "hasSuffix hello html htmlDate htmlDateInZone htpasswd indent index initial initials int "
    "int64 isAbs join js kebabcase keys kindIs kindOf last le len list lower lt max maxf merge "
    "mergeOverwrite min minf mod mul mulf must_date_modify mustAppend mustChunk mustCompact "
    "mustDateModify mustDeepCopy mustFirst mustFromJson mustHas mustInitial mustLast mustMerge "
    "mustMergeOverwrite mustPrepend mustPush mustRegexFind mustRegexFindAll mustRegexMatch "
    "mustRegexReplaceAll mustRegexReplaceAllLiteral mustRegexSplit mustRest mustReverse "
    "mustSlice mustToDate mustToJson mustToPrettyJson mustToRawJson mustUniq mustWithout ne "
    "nindent normalize nospace not now omit or osBase osClean osDir osExt osIsAbs pick pluck "
    "plural prepend print printf println push quote randAlpha randAlphaNum randAscii randBytes "
    "randInt randNumeric randSeededNumeric regexFind regexFindAll regexMatch regexQuoteMeta "
    "regexReplaceAll regexReplaceAllLiteral regexSplit repeat replace rest reverse round semver "
    "semverCompare seq set sha1sum sha256sum sha512sum shuffle slice slugify snakecase "
    "sortAlpha split splitList splitn squote sub subf substr swapcase ternary title toDate "
    "toDecimal toJson toPrettyJson toRawJson toString toStrings toYaml trim trimAll trimall "
    "trimPrefix trimSuffix trunc tuple typeIs typeIsLike typeOf uniq unixEpoch unset until "
    "untilStep untitle upper urlJoin urlParse urlquery uuidv4 values without wrap wrapWith "
)
NAMES = frozenset(_NAMES.split())
