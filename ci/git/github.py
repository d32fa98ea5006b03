"""Pull requests on GitHub: open one for a branch, and keep one comment on it up to date."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import requests

from ci.errors import CiError

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
            return str(open_already[0]["html_url"])
    if not answer.ok:
        reason = answer.json().get("message", "") if _is_json(answer) else ""
        raise CiError(
            f"GitHub refuses to open a pull request: {answer.status_code} {reason}".rstrip(),
            hint=f"The branch {wanted.head} is pushed: open the pull request by hand.",
        )
    return str(_parsed(answer, dict).get("html_url"))


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
        for comment in comments:
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


def _checked(answer: requests.Response) -> requests.Response:
    if not answer.ok:
        reason = answer.json().get("message", "") if _is_json(answer) else ""
        raise CiError(
            f"GitHub refuses a comment: {answer.status_code} {reason}".rstrip(),
            hint="The token needs the right to write pull requests' comments.",
        )
    return answer


def _ask(method: str, url: str, token: str, **arguments: Any) -> requests.Response:
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    try:
        return requests.request(method, url, headers=headers, timeout=20, **arguments)
    except requests.RequestException as error:
        raise CiError(f"GitHub can't be reached: {type(error).__name__}") from error


def _parsed(answer: requests.Response, kind: type[T]) -> T:
    """Parse an answer; a web page, as another address than the API's gives, is an error."""
    parsed = answer.json() if _is_json(answer) else None
    if not isinstance(parsed, kind):
        raise CiError(
            f"{answer.url.partition('?')[0]} answers as no API of GitHub does",
            hint=f"Correct GITHUB_API_URL, such as {API} or https://HOST/api/v3.",
        )
    return parsed


def _is_json(answer: requests.Response) -> bool:
    return "json" in answer.headers.get("Content-Type", "")
