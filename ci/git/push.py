"""What a refused push or a failed fetch means: git's own words, sorted into what to do next.

Only two places speak for git itself: the reason in parentheses on the porcelain line of our ref,
and the `fatal:` lines. Whatever a server's hook prints arrives as `remote: …` and decides nothing:
searching the whole output for "403" or "non-fast-forward" would find them in hashes and in prose.
"""

from __future__ import annotations

import enum
import re
from typing import NamedTuple


class Verdict(enum.Enum):
    """What to do after a push."""

    PUSHED = "it is there"
    RACE = "someone was faster: look at the new tip and try again"
    POLICY = "the remote's rules refuse it: stop"
    NETWORK = "the connection failed: try again a few times"
    DENIED = "the remote doesn't know us, or there is no such repository: stop"


# `! <from>:<to> [rejected] (<reason>)`; reasons of git 2.30 to 2.51 (transport.c, builtin/
# receive-pack.c, refs.c) and of GitHub. What is not here is policy: stopping is always safe.
REASONS: tuple[tuple[str, Verdict], ...] = (
    (r"non-fast-forward", Verdict.RACE),
    (r"fetch first", Verdict.RACE),
    (r"stale info", Verdict.RACE),
    (r"remote ref updated since checkout", Verdict.RACE),
    (r"failed to update ref", Verdict.RACE),  # the far side's lock was taken, or its tip moved
    (r"failed to lock", Verdict.RACE),
    (r"cannot lock ref .*", Verdict.RACE),
    (r"incorrect old value provided", Verdict.RACE),
    (r"reference already exists", Verdict.RACE),
    (r"unable to migrate objects to permanent storage", Verdict.RACE),
    (r"missing necessary objects", Verdict.NETWORK),
    (r"unpacker error", Verdict.NETWORK),
    (r"bad pack", Verdict.NETWORK),
    (r"remote failed to report status", Verdict.NETWORK),
    (r"[Ii]nternal [Ss]erver [Ee]rror", Verdict.NETWORK),
)

# Lines that git prints when the conversation ends before any ref was answered for.
FATAL: tuple[tuple[str, Verdict], ...] = (
    (r"ref updates aborted by hook", Verdict.POLICY),
    (r"Authentication failed for .*", Verdict.DENIED),
    (r"could not read (Username|Password) for .*", Verdict.DENIED),
    (r"unable to access '.*': The requested URL returned error: 4\d\d", Verdict.DENIED),
    (r"unable to access '.*': .*certificate.*", Verdict.DENIED),
    (r"repository '.*' not found", Verdict.DENIED),
    (r"'.*' does not appear to be a git repository", Verdict.DENIED),
    (r"protocol '.*' is not supported", Verdict.DENIED),
    (r"transport '.*' not allowed", Verdict.DENIED),
    (r".*dubious ownership in repository.*", Verdict.DENIED),
)
_SSH_DENIED = re.compile(r"(.*: )?Permission denied \(.*\)\.|Host key verification failed\.")
# A 429 asks to come later, and a 408 was merely slow.
_PASSING = re.compile(r".*returned error: (408|429)")


class Refusal(NamedTuple):
    """A verdict, git's words that it rests on, and the remote's own, which decide nothing."""

    verdict: Verdict
    reason: str
    remote: str = ""


def judge_push(status: int, stdout: str, stderr: str, ref: str) -> Refusal:
    """Judge `git push --porcelain` of one ref by its exit status and what it printed.

    >>> judge_push(1, "!\\tHEAD:refs/heads/main\\t[rejected] (fetch first)", "", "refs/heads/main")
    Refusal(verdict=<Verdict.RACE: ...>, reason='fetch first', remote='')
    """
    for line in stdout.splitlines():
        flag, _, rest = line.partition("\t")
        refs, _, summary = rest.partition("\t")
        if not refs.endswith(f":{ref}"):
            continue
        if flag == "!":
            found = re.fullmatch(r"\[.*?\] \((?P<reason>.*)\)", summary)
            reason = found["reason"] if found else summary
            return Refusal(_first(REASONS, reason, Verdict.POLICY), reason, _remote_words(stderr))
        if status == 0:
            return Refusal(Verdict.PUSHED, summary)
    return judge_connection(stderr)


def judge_connection(stderr: str) -> Refusal:
    """Judge a fetch or push that ended without an answer about any ref."""
    lines = [line.strip() for line in stderr.splitlines() if not line.startswith("remote:")]
    fatal = [line.removeprefix("fatal: ") for line in lines if line.startswith("fatal: ")]
    for line in fatal:
        verdict = _first(FATAL, line, Verdict.NETWORK)
        if verdict is not Verdict.NETWORK and not _PASSING.fullmatch(line):
            return Refusal(verdict, line, _remote_words(stderr))
    for line in lines:
        if _SSH_DENIED.fullmatch(line):
            return Refusal(Verdict.DENIED, line)
    words = fatal or [line for line in lines if line] or ["git printed nothing"]
    return Refusal(Verdict.NETWORK, words[0])


def _remote_words(stderr: str) -> str:
    """The remote's lines, each as it is shown to a person: with its mark and a line end."""
    lines = (line.rstrip() for line in stderr.splitlines() if line.startswith("remote:"))
    return "".join(f"{line}\n" for line in lines if line.removeprefix("remote:").strip())


def _first(table: tuple[tuple[str, Verdict], ...], text: str, otherwise: Verdict) -> Verdict:
    return next((verdict for pattern, verdict in table if re.fullmatch(pattern, text)), otherwise)
