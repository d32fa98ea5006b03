"""Texts that another program fills in before Kubernetes reads them: templates, encrypted values.

>>> template_of("image: {{ .Values.image }}")
'a template with {{ }}'
>>> template_of("image: [")
''
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from treecheck.errors import InputError
from treecheck.model import as_mapping, as_text, at
from treecheck.reading import read_documents

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator
    from pathlib import Path

    from treecheck.files import SourceFile
    from treecheck.model import FieldPath, Part, Resource
    from treecheck.reading import Document

# What marks a place that is filled in, for people -> its pattern. A line of nothing else is a
# command, such as `{{- if .Values.enabled }}`.
MARKS: dict[str, str] = {
    "{{ }}": r"\{\{.*?\}\}",
    "{{{ }}}": r"\{\{\{.*?\}\}\}",
    "{% %}": r"\{%.*?%\}|\{#.*?#\}|\{\{.*?\}\}",
    "<% %>": r"<%.*?%>",
    "<NAME>": r"<[A-Z][A-Z0-9_]+>",
    "${ }": r"\$\{[^}\n]*\}",
    "%{ }": r"%\{.*?\}|\$\{[^}\n]*\}",
    "@ @": r"@{1,2}\w+@{1,2}",
    "% %": r"%[A-Z][A-Z0-9_]+%",
    "%(name)s": r"%\(\w+\)[a-z]",
    "<#if>": r"<#--.*?-->|</?#.*?>|\$\{[^}\n]*\}",
}
# A file's name that says it: `ingress.yaml.j2` is not YAML by its end, `ingress.j2.yaml` is.
_NAMED = re.compile(r"\.(?:erb|ftl|gotmpl|j2|jinja2?|mustache|tmpl|tpl)\.ya?ml$")
# And one for people to fill in: `web-template.yaml`.
_FORM = re.compile(r"(?:^|[-_.])templates?(?:[-_.]|$)")
# A line that begins with a command of a template: text of alerts has the same marks elsewhere.
_WORDS = r"/\*|if|else|end|range|with|define|include|template|block|toYaml|\$\w+ :?="
_COMMAND = re.compile(rf"^\s*(?:- )?(?:\{{{{2,3}}-?\s*(?:{_WORDS})|\{{%)", re.MULTILINE)
# What of an encrypted manifest depends on what is in it, or is SOPS's own.
_ENCRYPTED = {("data",), ("stringData",), ("binaryData",), ("type",), ("sops",)}
# `IMAGE|-nginx:1.27-|`: a name, and what it becomes where nobody gives it a value.
_DEFAULT = re.compile(r"\b[A-Z][A-Z0-9_]+\|-[^\n]{0,300}?-\|")
# A line of one such word, where a field belongs: a script replaces it by a whole one.
_BARE = re.compile(
    rf"^[ \t]*(?:- )?(?:[A-Z][A-Z0-9-]*(?:_[A-Z0-9-]+)+|\$[A-Z_]+)[ \t]*$\n?|{_DEFAULT.pattern}",
    re.MULTILINE,
)
_DATA = re.compile(r"^(?:data|stringData):", re.MULTILINE)  # its keys may be such words
# What ytt reads in comments: `#@ load("@ytt:data", "data")`, `replicas: #@ data.values.replicas`.
_YTT = re.compile(
    r"^[ \t]*#@[ \t]*(?:load\(|(?:if|for|def|end)\b|(?:data|overlay|schema|library)/)|: #@ ?\w",
    re.MULTILINE,
)
_CAPITALS = re.compile(r"(?<![A-Za-z])[A-Z][A-Z_]{3,}(?![a-z])")  # `NAMESPACE-web.example.com`
_VARIABLE = re.compile(r"\$[A-Z][A-Z0-9_]+\Z")  # `clusterIP: $DNS_SERVER_IP`, alone
_BETWEEN = re.compile(r"__[A-Z][A-Z0-9_]*__")  # a word that sed replaces
_PLACE = re.compile(rf"\{{\{{|\$[{{(A-Za-z]|{_BETWEEN.pattern}")
_HERE = re.compile(r"(?:cat|kubectl)\b[^\n]*<<")  # `cat <<EOF | kubectl apply -f -`
# A name that a person, a script or a program replaces: `web-<stage>`, `web-{STAGE}`, `NAMESPACE`,
# `YOUR_APP`, `of-NAME`, `web-__TEAM__`.
_WORD = re.compile(
    r"[\w.-]*(?:<[^<>]+>[\w.-]*)+|[\w.-]*(?:\{[A-Z][A-Z0-9_]*\}[\w.-]*)+|(?:[a-z0-9.-]+-)?[A-Z_-]*(?:NAME|YOUR|CHANGE|REPLACE|PLACEHOLDER|TIMESTAMP|TODO|XXX)[A-Z_-]*"
    r"(?:-[a-z0-9.-]+)?|_+|[\w.-]*__[A-Z][A-Z0-9_]*__[\w.-]*"
)

# What a person writes a value of their own over, in a file that they copy; or a script does.
_TO_FILL = re.compile(
    r"<[A-Za-z][^<>\n]*>|\{\{ *[A-Za-z][^{}\n]*\}\}|\b(?:REPLACE|CHANGE|YOUR)_?[A-Z_]+\b"
    # `your-domain.example.com`, `yourdomain.com`
    r"|(?<![A-Za-z])your(?:[-_][a-z]+|(?:company|domain|email|host|name|org)\b)"
    r"|^\$[A-Za-z_]\w*$|\$\([a-z][\w./-]* [^()\n]*\)"  # and `$(base64 -w0 key)` in a page's command
)
# What stands where a person is to put what only they have: `# your kubeconfig`, `<base64>`, `...`.
_HINT = re.compile(
    r"\A(?:[ \t]*#[^\n]*\n?)+\Z|base-?64[-_ ]?(?:encoded|of|string|value)"
    r"|\b(?:your|change|replace|insert|enter|put)[-_ ]?"
    r"|placeholder|\A[.xX*_-]+\Z",
    re.IGNORECASE,
)
# What a program that installs itself writes a value over, or a person does: `<your domain>`.
_SET = re.compile(
    r"\{\{ *[A-Z][A-Z0-9_]+ *\}\}|^(?:REPLACE|CHANGE|PLACEHOLDER)[A-Z_]*\b|^[A-Z][A-Z0-9_]*_HERE$"
    r"|\A[^<>\n]*<[A-Za-z][^<>\n]*>[^<>\n]*\Z"
)


def template_of(text: str, *, helm: bool = False) -> str:
    """What a text that is not YAML is a template of, as a clause; "" where it is only broken.

    It is a template when it is YAML with each place filled in, or when its lines begin with a
    template's commands. Of a chart's templates (`helm`) only Helm knows what they become: a place
    may have quotes of its own, and another place in it.
    """
    if text.startswith("#!") or _HERE.match(text):
        return "a script"
    if helm and "{{" in text:
        return "a template with {{ }}"
    if _YTT.search(text):
        return "a template of ytt"
    for mark, pattern in MARKS.items():
        places = re.compile(pattern, re.DOTALL)
        if places.search(text) and _is_yaml(_filled(text, places)):
            return f"a template with {mark}"
    if _COMMAND.search(text):
        return "a template with {{ }}"
    return "a template with words to replace" if _has_bare_words(text) else ""


def _has_bare_words(text: str) -> bool:
    """Whether a text is a manifest without its words such as DATE_LABEL in the place of a field.

    No field of a manifest has such a name. A key of a ConfigMap may have, and one that was written
    without its value is a mistake.
    """
    is_data = _DATA.search(text) is not None and not _DEFAULT.search(text)
    if is_data or "apiVersion:" not in text or not _BARE.search(text):
        return False
    return _is_yaml(_BARE.sub(_default, text))


def _default(found: re.Match[str]) -> str:
    """What stands for a word to replace: its default, or nothing for a whole line."""
    _, mark, default = found[0].partition("|-")
    return default.removesuffix("-|") if mark else ""


def _filled(text: str, places: re.Pattern[str]) -> str:
    # Atomic: a place ends at its first mark. Otherwise each of a file's places that follow one
    # another doubles the ways to read it.
    alone = re.compile(
        rf"^[ \t]*(?:- )?(?:(?>{places.pattern})[ \t]*)+$\n?", re.DOTALL | re.MULTILINE
    )
    return places.sub("x", alone.sub("", text))


def _is_yaml(text: str) -> bool:
    try:
        read_documents(text, "a template")
    except InputError:
        return False
    return True


def is_template(source: SourceFile, *, charted: bool = False) -> bool:
    """Whether a file is YAML, and the names of its manifests are still to be filled in.

    In a Helm chart it is one with any place at all. A file whose name says so is one anyway.
    """
    if _NAMED.search(source.path.name) or has_default(source.text) or _YTT.search(source.text):
        return True
    if charted and "{{" in source.text:
        return any("apiVersion" in as_mapping(each.value) for each in source.documents)
    if _FORM.search(source.path.stem) and any(map(_is_unnamed, source.documents)):
        return True
    return any(
        _PLACE.search(as_text(value)) or _WORD.fullmatch(as_text(value))
        for document in source.documents
        for body in [as_mapping(document.value)]
        for value in (
            body.get("kind"),
            *(at(body, "metadata", key) for key in ("name", "namespace")),
        )
        if "apiVersion" in body
    )


def _is_unnamed(document: Document) -> bool:
    """Whether a manifest leaves the place of its name empty: `metadata: {name: }`."""
    metadata = as_mapping(as_mapping(document.value).get("metadata"))
    return "name" in metadata and metadata["name"] in (None, "")


def without_templates(
    rendered: dict[Part, list[Resource]], flux: Container[Path | None], unknown: list[str]
) -> dict[Part, list[Resource]]:
    """What folders make, without those that people copy to fill in their names; says so of these.

    What Flux builds, it builds as it is.
    """
    to_fill = {
        part: f"{part.name} is a template: its names are not filled in"
        for part, found in rendered.items()
        if part.folder not in flux and any(map(_is_to_fill, found))
    }
    unknown += [f"{why}, so what it makes can't be known" for why in to_fill.values()]
    return {part: found for part, found in rendered.items() if part not in to_fill}


def _is_to_fill(resource: Resource) -> bool:
    """Whether a name of a resource is still a word to replace: `<app>-config`, `APPNAME`."""
    names = (as_text(resource.metadata.get(key)) for key in ("name", "namespace"))
    return any("{{" in each or _WORD.fullmatch(each) for each in names)


def is_to_fill(text: str) -> bool:
    """Whether a person writes a value of their own over a text: `yourdomain.com`."""
    return _TO_FILL.search(text) is not None


def has_image_to_fill(resource: Resource) -> bool:
    """Whether a person writes the image of a pod: `<image-name>`. What else it is, is open too."""
    images = (each.get("image") for _, each in resource.pod.containers()) if resource.pod else ()
    return any(as_text(each).startswith("<") for each in images)


def has_default(text: str) -> bool:
    """Whether a script fills in a text, by the form that says what stands there otherwise."""
    return "-|" in text and _DEFAULT.search(text) is not None


def is_hint(text: str) -> bool:
    """Whether a text tells a person which secret of theirs belongs in its place."""
    return _HINT.search(text) is not None


def has_place(text: str) -> bool:
    """Whether a program fills something in: `{{ name }}`, `${NAME}`, `$(NAME)`, `__NAME__`."""
    return _PLACE.search(text) is not None


def is_filled_in_later(
    resource: Resource, path: FieldPath, *, substituted: bool, apart: bool = False
) -> bool:
    """Whether a field's value comes only when SOPS decrypts it, or Flux fills in its variables.

    Or when a person does, in a copy of what nothing deploys: `host: <your domain>`.

    Args:
        resource: what has the field.
        path: the field.
        substituted: whether Flux runs in this tree, or a script calls envsubst.
        apart: whether no Application brings the resource.
    """
    value = at(resource.body, *path)
    if any(isinstance(step, str) and "${" in step for step in path[-1:]):
        return True  # no key has that
    if value is None:  # one of a wrong type has been taken out
        value = next((each.value for each in resource.schema_errors if each.path == path), None)
    if isinstance(value, str) and (
        value.startswith(("<path:", "op://", "ref+"))  # by a plugin of Argo CD, op inject, vals
        or _BETWEEN.search(value)
        or (substituted and "${" in value)
        or (resource.part.to_copy and _TO_FILL.search(value))
        or (resource.part.shown and _CAPITALS.search(value))
        or (apart and (_SET.search(value) or _VARIABLE.match(value)))
    ):
        return True
    if not resource.encrypted:
        return False
    return path[:1] in _ENCRYPTED or (isinstance(value, str) and value.startswith("ENC["))


def is_replaced(
    resource: Resource | None, path: FieldPath, replaced: frozenset[tuple[str, str]]
) -> bool:
    """Whether a script puts another value in the place of a field: `sed s/size/5Gi/ pv.yaml`."""
    if not replaced or resource is None or resource.part.file is None:
        return False
    words = {as_text(at(resource.body, *path)), f"{path[-1]}:" if path else ""}
    return any((word, resource.part.file.name) in replaced for word in words)


def namespaces_in(text: str) -> set[str]:
    """The namespaces that a template names; none where one of them is still to be filled in."""
    found = set(re.findall(r"\bnamespace: *[\"']?([^\s,\"'}]+)", text))
    return set() if any(_PLACE.search(each) or "%" in each for each in found) else found


def encrypted_in(sets: Iterable[list[Resource]]) -> Iterator[str]:
    """One sentence about the manifests that SOPS encrypted, if there are any."""
    titles = dict.fromkeys(each.title for found in sets for each in found if each.encrypted)
    if titles:
        first = ", ".join([*titles][:3]) + (
            f" and {len(titles) - 3} more" if len(titles) > 3 else ""
        )
        yield f"SOPS encrypted {first}, so what is in them can't be known"
