"""The pages' own files, /static/NAME: read and compressed once per process."""

from __future__ import annotations

import functools
import mimetypes
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug.exceptions import NotFound

from coworking.web.bodies import Body

if TYPE_CHECKING:
    from flask import Flask, Response


def register(app: Flask) -> None:
    """Give the app the endpoint `static`."""
    app.add_url_rule("/static/<path:filename>", "static", _static)


def _static(filename: str) -> Response:
    """A file of the pages; clients keep it, and ask whether it has changed."""
    folder = {each.name: each for each in files("coworking").joinpath("static").iterdir()}
    if filename not in folder:
        raise NotFound
    return body(Path(str(folder[filename]))).response()


@functools.lru_cache(maxsize=32)
def body(file: Path) -> Body:
    """A file's text with its type."""
    kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    text = kind.startswith("text/") or kind.endswith(("javascript", "xml"))
    return Body(file.read_bytes(), f"{kind}; charset=utf-8" if text else kind)
