"""Names that Flux, or a script with envsubst, fills in: `web-${APP}`.

https://fluxcd.io/flux/components/kustomize/kustomizations/#post-build-variable-substitution
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from treecheck.model import as_mapping, at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from treecheck.model import Resource

FLUX = "kustomize.toolkit.fluxcd.io"
_PLACE = re.compile(r"\$\{(\w+)(?::?[-=]([^}]*))?\}")
_LONGEST = 120  # characters of a name with its places


def filled_name(name: str, forms: dict[str, re.Pattern[str]]) -> str:
    """The text that becomes a name when its places are filled in, of `with_places`, or ""."""
    return next((text for text, form in forms.items() if form.fullmatch(name)), "")


def with_places(resources: Iterable[Resource]) -> dict[str, re.Pattern[str]]:
    """Each short text with a place, and what it becomes by the values that Flux is given."""
    values: dict[str, set[str]] = {}
    resources = [*resources]
    for each in resources:
        if each.group == FLUX:
            for key, value in as_mapping(at(each.spec, "postBuild", "substitute")).items():
                values.setdefault(key, set()).add(str(value))
    texts = {text for each in resources for text in _texts(each.body)}
    return {text: _form(text, values) for text in sorted(texts)}


def _form(text: str, values: dict[str, set[str]]) -> re.Pattern[str]:
    parts, end = [], 0
    for place in _PLACE.finditer(text):
        known = {*values.get(place[1], ()), *([place[2]] if place[2] else [])}
        choice = "|".join(map(re.escape, sorted(known))) or "[a-z0-9.-]+"
        parts += [re.escape(text[end : place.start()]), f"(?:{choice})"]
        end = place.end()
    return re.compile("".join(parts) + re.escape(text[end:]))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if "${" in value and len(value) <= _LONGEST and _PLACE.search(value):
            yield value
        return
    for each in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from _texts(each)
