"""GitHub's API: open a pull request, keep one comment on it up to date, look at a repository."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import requests

from ci.errors import CiError
from ci.hidden import hide
from ci.web import AWAY, session

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T", bound=Any)
API = "https://api.github.com"
_REMOTE = re.compile(
    r"(?:https://|ssh://git@|git@)github\.com[/:](?P<name>[^/]+/[^/]+?)(?:\.git)?/?"
)


def repository_name(url: str, environment: Mapping[str, str]) -> str | None:
    """Return `owner/name` of a remote on GitHub (or of GITHUB_REPOSITORY), else None."""
    found = _REMOTE.fullmatch(url)
    return environment.get("GITHUB_REPOSITORY") or (found["name"] if found else None)


class PullRequest(NamedTuple):
    """A proposal: merge branch `head` into `base`."""

    head: str
    base: str
    title: str
    body: str


def open_pull_request(name: str, token: str, wanted: PullRequest, *, api: str = API) -> str:
    """Open a pull request, or find the one for this branch, and return its address.

    Raises:
        CiError: GitHub refuses or can't be reached.
    """
    pulls = f"{api}/repos/{name}/pulls"
    answer = _ask("POST", pulls, token, json=wanted._asdict())
    if (
        answer.status_code == requests.codes.unprocessable
    ):  # GitHub's answer when one is open already
        head = f"{name.partition('/')[0]}:{wanted.head}"
        found = _ask("GET", pulls, token, params={"head": head, "base": wanted.base})
        if found.ok and (open_already := _parsed(found, list)):
            return str(_mapping(open_already[0]).get("html_url", f"{name}, branch {wanted.head}"))
    by_hand = f"The branch {wanted.head} is pushed: open the pull request by hand."
    if not answer.ok:
        raise refusal(answer, "to open a pull request", hint=by_hand)
    address = _parsed(answer, dict).get("html_url")
    if not address:
        raise CiError("GitHub's answer names no pull request", hint=by_hand)
    return str(address)


def upsert_comment(  # noqa: PLR0913 - one comment on one pull request of one server
    name: str, number: int, token: str, text: str, *, marker: str, api: str = API
) -> str:
    """Update the one comment that has `marker`, or create it; returns `created` or `updated`.

    An unchanged comment is left as it is: `unchanged`.

    Raises:
        CiError: GitHub refuses or can't be reached.
    """
    issue = f"{api}/repos/{name}/issues"
    page = 1
    while True:
        query = {"per_page": 100, "page": page}
        answer = _checked(_ask("GET", f"{issue}/{number}/comments", token, params=query))
        comments = _parsed(answer, list)
        for comment in map(_mapping, comments):
            if marker in (comment.get("body") or ""):
                if comment["body"].replace("\r\n", "\n").strip() == text.strip():
                    return "unchanged"
                address = f"{issue}/comments/{comment['id']}"
                _checked(_ask("PATCH", address, token, json={"body": text}))
                return "updated"
        if len(comments) < query["per_page"]:
            break
        page += 1
    _checked(_ask("POST", f"{issue}/{number}/comments", token, json={"body": text}))
    return "created"


def look(name: str, path: str, token: str | None, *, api: str = API, **query: str) -> Any:
    """GET a path of a repository, such as `/hooks`; None when GitHub says that it is not there.

    Raises:
        CiError: GitHub refuses, can't be reached, or another server answers.
    """
    answer = _ask("GET", f"{api}/repos/{name}{path}", token, params=query)
    is_absent = answer.status_code == requests.codes.not_found
    if is_absent and _mapping(_json(answer)).get("message") == "Not Found":
        return None
    if not answer.ok:
        raise refusal(answer, f"to show {name}{path}")
    return _parsed(answer, object)


def _checked(answer: requests.Response) -> requests.Response:
    if not answer.ok:
        hint = "The token needs the right to write pull requests' comments."
        raise refusal(answer, "a comment", hint=hint)
    return answer


def refusal(answer: requests.Response, what: str, *, hint: str = "") -> CiError:
    """Say why GitHub refuses: a rate limit, a right that is missing, or what `errors` names.

    https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
    """
    said = _reason(answer)
    status, headers = answer.status_code, answer.headers
    is_limit = (
        status == requests.codes.too_many
        or headers.get("X-RateLimit-Remaining") == "0"
        or "Retry-After" in headers
        or "rate limit" in said.lower()
    )
    if is_limit and status in (requests.codes.forbidden, requests.codes.too_many):
        return CiError(
            f"GitHub's rate limit is used up: {status} {said}".rstrip(),
            hint=f"The token's rights are not the cause. Try again {_when(headers)}.",
        )
    if status >= requests.codes.server_error:
        hint = "GitHub is away, see https://www.githubstatus.com. Try again later."
    return CiError(f"GitHub refuses {what}: {status} {said}".rstrip(), hint=hint)


def _when(headers: Mapping[str, str]) -> str:
    if headers.get("Retry-After", "").isdecimal():
        return f"in {headers['Retry-After']} s"
    reset = headers.get("X-RateLimit-Reset", "")
    if reset.isdecimal() and len(reset) < 12:
        return f"after {datetime.fromtimestamp(int(reset), UTC):%H:%M} UTC"
    return "in some minutes"


def _reason(answer: requests.Response) -> str:
    """GitHub's message, and each of its errors."""
    body = _mapping(_json(answer))
    words = [str(body.get("message") or "")]
    errors = body.get("errors")
    for error in errors if isinstance(errors, list) else []:
        fields = _mapping(error) or {"message": error}
        words.append(
            str(fields.get("message") or " ".join(str(value) for value in fields.values()))
        )
    return hide("; ".join(filter(None, words)))


def _ask(method: str, url: str, token: str | None, **arguments: Any) -> requests.Response:
    known = {"Authorization": f"Bearer {token.strip()}"} if token else {}
    headers = known | {
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    try:
        with session(away={500, *AWAY}) as asking:
            return asking.request(method, url, headers=headers, timeout=20, **arguments)
    except (requests.RequestException, UnicodeError) as error:
        raise CiError(f"GitHub can't be reached: {type(error).__name__}") from error


def _parsed(answer: requests.Response, kind: type[T]) -> T:
    """Parse an answer; a web page, as another address than the API's gives, is an error."""
    parsed = _json(answer)
    if parsed is None or not isinstance(parsed, kind):
        raise CiError(
            f"{answer.url.partition('?')[0]} answers as no API of GitHub does",
            hint=f"Correct GITHUB_API_URL, such as {API} or https://HOST/api/v3.",
        )
    return parsed


def _json(answer: requests.Response) -> Any:
    """What an answer says; None for a web page, and for JSON that was cut off."""
    if "json" not in answer.headers.get("Content-Type", ""):
        return None
    try:
        return answer.json()
    except requests.JSONDecodeError:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
