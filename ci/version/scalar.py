"""The byte-exact edit: the one `newTag` of a kustomization's `images:`, and nothing else.

>>> file = b'images:\\r\\n- name: coworking\\r\\n  newTag: 12  # by machines\\r\\n'
>>> find(file, "coworking").tag
'12'
>>> replace(file, "coworking", "13-1f2e3d4c")
b'images:\\r\\n- name: coworking\\r\\n  newTag: "13-1f2e3d4c"  # by machines\\r\\n'

YAML's own parser says where the scalar lies; the bytes around it are copied, not written again.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from ci.errors import InputError

# A folder's `images:` has a few lines; a limit keeps a hostile file from costing minutes.
MAX_BYTES = 256 * 1024


class ImageEntry(NamedTuple):
    """An entry of `images:`: its registry (None when it names none), its tag, the tag's place."""

    registry: str | None
    tag: str
    start: int
    end: int
    quote: str


def find(data: bytes, image: str, *, file: str = "kustomization.yaml") -> ImageEntry:
    """Find the entry of `images:` whose `name` is `image`.

    Returns:
        The entry; `start` and `end` count characters of the decoded file.

    Raises:
        InputError: the file is malformed, or has not exactly one such entry with a plain tag.
    """
    text = _decode(data, file)
    entry = _entry(text, image, file)
    for digest in ("digest", "tagSuffix"):
        if digest.lower() in entry:
            raise _unusable(file, f"the entry for image {image!r} has a {digest!r} beside its tag")
    if "newtag" not in entry:
        raise _unusable(file, f"the entry for image {image!r} has no newTag")
    tag = _scalar(entry["newtag"], f"newTag of image {image!r}", file)
    new_name = _scalar(entry["newname"], "newName", file).value if "newname" in entry else None
    start, end = tag.start_mark.index, tag.end_mark.index
    quote = tag.style or ""
    if not _is_one_word(tag, text[start:end]):
        raise _unusable(file, f"the newTag of image {image!r} is not one plain or quoted word")
    if _is_shared(text, start):
        raise _unusable(
            file, f"the newTag of image {image!r} is anchored: it may show elsewhere too"
        )
    registry = new_name if new_name is not None else (image if "/" in image else None)
    return ImageEntry(registry, tag.value, start, end, quote)


def replace(data: bytes, image: str, tag: str, *, file: str = "kustomization.yaml") -> bytes:
    """Return the file with that image's tag replaced, in the quotes that it has, or in `"`.

    A tag is always quoted: about one commit in eighteen reads as a number without.

    Raises:
        InputError: as `find`; also when the change would show anywhere else in the file.
    """
    text = _decode(data, file)
    entry = find(data, image, file=file)
    quote = entry.quote or '"'
    edited = f"{text[: entry.start]}{quote}{tag}{quote}{text[entry.end :]}"
    if _structure(edited, entry.start) != _structure(text, entry.start) or (
        find(edited.encode(), image, file=file).tag != tag
    ):
        raise _unusable(file, f"writing the newTag of image {image!r} would change more than it")
    return edited.encode()


def _decode(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        raise _unusable(file, f"it has {len(data)} bytes, more than {MAX_BYTES}")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _unusable(file, f"it is not UTF-8: {error.reason} at byte {error.start}") from error


def _entry(text: str, image: str, file: str) -> dict[str, yaml.Node]:
    """The fields of the image's entry, if nothing else in the file can change its tag."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _unusable(file, f"it is not one YAML document: {' '.join(str(error).split())}") from (
            error
        )
    except RecursionError as error:
        raise _unusable(file, "it is nested too deeply") from error
    document = _fields(root, "the document", file)
    images = document.get("images")
    if not isinstance(images, yaml.SequenceNode):
        raise _unusable(file, "it has no list `images:`")
    if "imagetags" in document:
        raise _unusable(file, "it has `imageTags:` too, which kustomize reads as images")
    entries = [_fields(node, "an entry of images", file) for node in images.value]
    if any("<<" in entry for entry in entries):
        raise _unusable(file, "an entry of images has a merge key `<<`, which can hide a digest")
    named = [
        (_scalar(entry["name"], "name", file).value, entry) for entry in entries if "name" in entry
    ]
    found = [entry for name, entry in named if name == image]
    if len(found) != 1:
        count = "no entry" if not found else f"{len(found)} entries"
        raise _unusable(file, f"`images:` has {count} with the name {image!r}")
    if also := next((name for name, _ in named if name != image and _means(name, image)), None):
        raise _unusable(file, f"the entry {also!r} of images is a pattern that means {image!r} too")
    return found[0]


def _means(name: str, image: str) -> bool:
    """Whether kustomize, which reads a name as a regular expression, matches this image."""
    try:
        return re.fullmatch(name, image) is not None
    except re.error:
        return False


def _fields(node: yaml.Node | None, what: str, file: str) -> dict[str, yaml.Node]:
    """A mapping's values by its keys in lower case: to kustomize `newtag` is newTag as well."""
    if not isinstance(node, yaml.MappingNode):
        raise _unusable(file, f"{what} is not a mapping")
    fields: dict[str, yaml.Node] = {}
    for key, value in node.value:
        name = _scalar(key, "a key", file).value
        if name.lower() in fields:
            raise _unusable(file, f"{what} has the key {name!r} twice")
        fields[name.lower()] = value
    return fields


def _scalar(node: yaml.Node, what: str, file: str) -> yaml.ScalarNode:
    if not isinstance(node, yaml.ScalarNode):
        raise _unusable(file, f"{what} is not a string")
    return node


def _is_one_word(tag: yaml.ScalarNode, written: str) -> bool:
    if tag.style is None:
        return written == tag.value and tag.tag != "tag:yaml.org,2002:null"
    # An escape could hold a line's end, which would go into the commit's message.
    return tag.style in ("'", '"') and written == f"{tag.style}{tag.value}{tag.style}"


def _is_shared(text: str, start: int) -> bool:
    """Whether an anchor on anything around the scalar lets an alias repeat it elsewhere."""
    anchors: list[str | None] = []
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            anchors.append(event.anchor)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchors.pop()
        elif isinstance(event, yaml.ScalarEvent) and _begins_at(event, start):
            return any(anchors)
    return True


def _structure(text: str, start: int) -> list[tuple[object, ...]]:
    """The document without positions, and without the value of the scalar at `start`."""
    return [
        (
            type(event),
            getattr(event, "anchor", None),
            getattr(event, "tag", None),
            None if _begins_at(event, start) else getattr(event, "value", None),
        )
        for event in yaml.parse(text, Loader=yaml.SafeLoader)
    ]


def _begins_at(event: yaml.Event, start: int) -> bool:
    return event.start_mark is not None and event.start_mark.index == start


def _unusable(file: str, why: str) -> InputError:
    return InputError(
        f"{file} can't be written: {why}",
        hint="It needs one entry such as `- name: coworking`, `newName: <registry>`,"
        ' `newTag: "57-1f2e3d4c"` under `images:`.',
    )
