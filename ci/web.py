"""HTTP sessions that try again where a server is away for a moment, or asks to come later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, ReadTimeoutError
from urllib3.util import Retry

if TYPE_CHECKING:
    from collections.abc import Collection

TRIES = 3  # again, after the first
LONGEST = 20.0  # seconds that a server may ask us to wait; for longer it is said, not waited
# They say that a gateway or a server is away; 500 may also be the answer to what was asked.
AWAY = frozenset({502, 503, 504})
_LATER = frozenset({403, 413, 503})


class _Retry(Retry):
    """urllib3's, with what GitHub adds: 403 with Retry-After is a rate limit.

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """

    RETRY_AFTER_STATUS_CODES = frozenset({403, 413, 429, 503})

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        # Nothing was done, so what is not idempotent may be asked again as well.
        if status_code == requests.codes.too_many or (has_retry_after and status_code in _LATER):
            return bool(self.total)
        return super().is_retry(method, status_code, has_retry_after)

    def increment(
        self,
        method: Any = None,
        url: Any = None,
        response: Any = None,
        error: Any = None,
        _pool: Any = None,
        _stacktrace: Any = None,
    ) -> _Retry:
        # A server that hangs once hangs again, and a person waits.
        if isinstance(error, ReadTimeoutError):
            raise error
        if response is not None and (self.get_retry_after(response) or 0) > LONGEST:
            raise MaxRetryError(_pool, url)
        again: _Retry = super().increment(method, url, response, error, _pool, _stacktrace)
        return again


def session(*, away: Collection[int] = AWAY) -> requests.Session:
    """Make a session that tries again, with waits that double and a random part in each.

    Args:
        away: the statuses after which a question (GET, PUT, DELETE) is asked again. 429, and 403,
            413 and 503 with Retry-After, are always; a cut connection is, unless a POST was sent.
    """
    retry = _Retry(
        total=TRIES,
        connect=2,
        status_forcelist=frozenset(away),
        backoff_factor=0.3,
        backoff_jitter=0.3,
        backoff_max=5,
        raise_on_status=False,
    )
    made = requests.Session()
    for scheme in ("https://", "http://"):
        made.mount(scheme, HTTPAdapter(max_retries=retry))
    return made
