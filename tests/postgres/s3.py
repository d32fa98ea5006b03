"""AWS's S3 by moto, as an application for a WSGI server.

moto takes what a bucket with object lock refuses: an upload without a checksum.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock-managing.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moto.server import DomainDispatcherApplication, create_backend_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CHECKSUMS = ("HTTP_CONTENT_MD5", "HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM", "HTTP_X_AMZ_COPY_SOURCE")
REFUSAL = (
    b"<Error><Code>InvalidRequest</Code><Message>Content-MD5 OR x-amz-checksum- HTTP header is"
    b" required for Put Object requests with Object Lock parameters</Message></Error>"
)
_moto = DomainDispatcherApplication(create_backend_app)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    is_upload = environ["REQUEST_METHOD"] == "PUT" and "/" in environ["PATH_INFO"].strip("/")
    if is_upload and not any(environ.get(name) for name in CHECKSUMS):
        start_response("400 Bad Request", [("Content-Type", "application/xml")])
        return [REFUSAL]
    answer: Iterable[bytes] = _moto(environ, start_response)
    return answer
