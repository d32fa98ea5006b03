"""A finished body: its ETag, its gzip form, and the answer to a client that has it already."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property

from flask import Response, request
from werkzeug.exceptions import PreconditionFailed

SHORTEST_GZIP = 1000  # bytes; a shorter body fits one packet either way


@dataclass(frozen=True)
class Body:
    """A text that can be kept and sent to many clients.

    Attributes:
        text: its bytes in UTF-8.
        content_type: the value of that header.
    """

    text: bytes
    content_type: str

    @cached_property
    def packed(self) -> bytes | None:
        """The text in gzip, or None if it is too short to be worth it."""
        if len(self.text) < SHORTEST_GZIP:
            return None
        return gzip.compress(self.text, compresslevel=6, mtime=0)

    @cached_property
    def etag(self) -> str:
        """A digest of text and type."""
        return hashlib.sha256(self.content_type.encode() + b"\n" + self.text).hexdigest()[:32]

    @property
    def nbytes(self) -> int:
        """Bytes of memory that it takes, as `freshness` asks."""
        return len(self.text) + len(self.packed or b"")

    def response(self, status: int = 200) -> Response:
        """Answer the present request with it: whole, in gzip, or as 304.

        The two forms have strong ETags of their own (RFC 9110, 8.8.3.3).
        """
        packed = self.packed if request.accept_encodings["gzip"] > 0 else None
        response = Response(
            self.text if packed is None else packed, status, content_type=self.content_type
        )
        response.set_etag(self.etag if packed is None else f"{self.etag}-gzip")
        response.headers["Cache-Control"] = "no-cache"
        response.vary.add("Accept-Encoding")
        if packed is not None:
            response.headers["Content-Encoding"] = "gzip"
        if status == 200:
            refuse_unmatched(response)
            response.make_conditional(request)
        return response


def refuse_unmatched(response: Response) -> None:
    """Check the answer against `If-Match` (RFC 9110, 13.1.1).

    The framework doesn't know `*`, and sends the whole body with its 412.

    Raises:
        PreconditionFailed: the client asked for another answer only.
    """
    asked, tag = request.if_match, response.get_etag()[0] or ""
    if asked and not asked.star_tag and not asked.is_strong(tag):
        raise PreconditionFailed
    request.environ.pop("HTTP_IF_MATCH", None)
