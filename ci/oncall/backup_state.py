"""What a database's pod says of its backups, once a minute, and how `status` judges it.

    State: every=3600 server=up archived_at=1795946958 waiting=0 … newest=20261129-100916F …

apps/postgres/bin/state.sh writes the line into the log of the container `backups`, which Argo CD
hands out: no command has to run in the pod.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ci.oncall.backups import age
from ci.tree.overlays import namespace

if TYPE_CHECKING:
    from ci.argocd.client import LogLine
    from ci.oncall.reports import Verdict

PAGE = "docs/backups.md"
_BEGINS = "State: "
LATE = timedelta(minutes=3)  # a segment is archived within 45 s; a failed attempt waits a minute
SILENT = timedelta(minutes=5)  # the line comes each minute
PROVEN_WITHIN = timedelta(days=9)  # base/postgres/backups/proof.yaml runs once a week
MISSED = 3  # backups that were due, one after the other
SEGMENT_MB, QUEUE_MB = 16, 5 * 1024  # archive-push-queue-max in pgbackrest.conf
DISK_FILLS, DISK_FULL = 80, 90  # percent


class BackupState(NamedTuple):
    """One line. A time is None, a number or a word is empty, where the pod doesn't know it.

    Attributes:
        said: when the line was printed.
        server: up, or away.
        repository: backups, empty, unused or away; since when; when it was asked last.
        why: what pgBackRest says of a repository that is away.
        newest, oldest: the names of the backups.
        damaged: whether the newest has pages with wrong checksums.
        proven, proven_at: the newest backup that was restored as a proof, and when.
        dropped_at: when log was found to be missing in the repository; None once a backup ended it.
        running: the kind of the backup that is being taken.
        every: seconds from one backup to the next.
        archived_at: when the newest segment of the log was archived.
        waiting, waiting_since: how many segments are not archived, and the oldest one's time.
        checksums: whether PostgreSQL writes them; bad_pages: how many it found wrong.
        disk, free: percent of the volume that is used, and the MiB that are free.
    """

    said: datetime
    server: str
    repository: str
    since: datetime | None
    asked: datetime | None
    why: str
    newest: str
    oldest: str
    damaged: bool
    proven: str
    proven_at: datetime | None
    dropped_at: datetime | None
    running: str
    every: int
    archived_at: datetime | None
    waiting: int
    waiting_since: datetime | None
    checksums: bool | None
    bad_pages: int
    disk: int | None
    free: int | None

    @classmethod
    def parse(cls, line: LogLine) -> BackupState | None:
        """Read a line of the log; None for any other line."""
        if not line.text.startswith(_BEGINS):
            return None
        text, _, why = line.text.partition(" why=")
        words = dict(word.partition("=")[::2] for word in text.split()[1:])
        try:
            return cls._read(line.at, words, " ".join(why.split()))
        except ValueError:  # a line that was cut off
            return None

    @classmethod
    def _read(cls, said: datetime, words: dict[str, str], why: str) -> BackupState:
        def at(name: str) -> datetime | None:
            return datetime.fromtimestamp(int(words[name]), UTC) if name in words else None

        def number(name: str) -> int | None:
            return int(words[name]) if name in words else None

        return cls(
            said,
            words.get("server", ""),
            words.get("repository", ""),
            at("since"),
            at("asked"),
            why,
            words.get("newest", ""),
            words.get("oldest", ""),
            words.get("damaged") == "yes",
            words.get("proven", ""),
            at("proven_at"),
            at("dropped_at"),
            words.get("running", ""),
            number("every") or 3600,
            at("archived_at"),
            number("waiting") or 0,
            at("waiting_since"),
            {"on": True, "off": False}.get(words.get("checksums", "")),
            number("bad_pages") or 0,
            number("disk"),
            number("free"),
        )

    def line(self, now: datetime) -> str:
        """The three ages that matter, for a person."""
        archived = f"log {_ago(self.archived_at, now)}" if self.archived_at else "no log archived"
        if self.waiting:
            archived += f" ({self.waiting} segments wait)"
        taken, proven = began(self.newest), began(self.proven)
        if taken:
            backups = f"backup {_ago(taken, now)} ({self.newest})"
            last = f"proven {_ago(proven, now)} ({self.proven})" if proven else "none proven"
            backups += f", {last}"
        elif self.repository in ("empty", "unused"):
            backups = "no backup"
        else:
            backups = "the backups are not known"
        unchecked = ", no page checksums" if self.checksums is False else ""
        return f"{archived}, {backups}{unchecked}"


def judge(state: BackupState, environment: str, now: datetime) -> Verdict:
    """Decide what of the backups needs a person, and what goes on by itself."""
    if now - state.said > SILENT:
        silent = f"keep-backups has said nothing {_for(state.said, now)}"
        log = f"kubectl -n {namespace(environment)} logs postgresql-0 -c backups"
        return (f"the backups are not known: {silent}: {log}",), ()
    person: list[str] = []
    underway: list[str] = []
    for sentence, needs_person in (
        *_of_the_data(state, environment),
        *_of_the_log(state, now),
        *_of_the_backups(state, now),
    ):
        (person if needs_person else underway).append(sentence)
    return tuple(person), tuple(underway)


Said = list[tuple[str, bool]]  # a sentence, and whether it needs a person


def _of_the_data(state: BackupState, environment: str) -> Said:
    """The volume, and the pages on it."""
    said: Said = []
    if state.disk is not None and state.disk >= DISK_FILLS:
        full = f"the database's volume is {state.disk} % full ({state.free} MiB free)"
        said.append((f"{full}: {PAGE}#a-volume-that-fills", state.disk >= DISK_FULL))
    restore = f"python -m ci restore {environment}, and {PAGE}#a-corrupted-page"
    if state.bad_pages:
        said.append((f"PostgreSQL has read {state.bad_pages} corrupted pages: {restore}", True))
    if state.damaged:
        said.append((f"backup {state.newest} has corrupted pages: {restore}", True))
    return said


def _of_the_log(state: BackupState, now: datetime) -> Said:
    """Whether the write-ahead log reaches the repository."""
    said: Said = []
    if state.repository == "away":
        since = state.since or state.said
        sentence = f"the repository can't be asked {_for(since, now)}: {meaning(state.why)}"
        said.append((sentence, now - since >= LATE))
    waits = f"{state.waiting * SEGMENT_MB} MiB of log wait on the volume"
    if state.waiting * SEGMENT_MB >= QUEUE_MB:
        gap = "moments from now to the next backup can't be restored"
        said.append((f"{waits}, more than {QUEUE_MB}, so the oldest is dropped: {gap}", True))
    elif state.waiting_since is not None and now - state.waiting_since >= LATE:
        late = f"no log is archived {_for(state.waiting_since, now)}"
        said.append((f"{late}: {waits}, and above {QUEUE_MB} it is dropped", True))
    if state.dropped_at is not None:
        found = f"log was dropped, as found {_ago(state.dropped_at, now)}"
        said.append((f"{found}: moments before the next backup can't be restored", True))
    return said


def _of_the_backups(state: BackupState, now: datetime) -> Said:
    """Whether backups are taken, and proven."""
    if state.asked is None:
        return [("the repository has not been asked yet", False)]
    said: Said = []
    if state.running:
        said.append((f"a backup is being taken ({state.running})", False))
    newest, oldest, proven = map(began, (state.newest, state.oldest, state.proven))
    if newest is None:
        if state.repository in ("empty", "unused"):
            said.append(("there is no backup yet", not state.running))
        return said
    every = timedelta(seconds=state.every)
    if not state.running and now - newest > MISSED * every:
        old = f"the newest backup is {age(now - newest)} old"
        said.append((f"{old}, and one is due every {age(every)}", True))
    last = (state.proven_at if proven else oldest) or newest
    is_late = now - last > PROVEN_WITHIN
    if not proven:
        said.append(("no backup was proven by a restore yet", is_late))
    elif is_late:
        said.append((f"the last proof was {_ago(last, now)}, and one is due every week", True))
    return said


# What pgBackRest says (2.45), and what it means here. The names in its answer are those of S3 and
# STS: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and
# https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
_MEANINGS = (
    (("NoSuchBucket",), "the bucket is not there"),
    (
        ("Expired", "InvalidToken", "InvalidIdentityToken", "IDPRejectedClaim"),
        "the rights of the pod have expired",
    ),
    (
        ("AccessDenied", "(Forbidden)", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        "the pod has no right to the bucket",
    ),
    (("FormatError", "CryptoError"), "BACKUP_KEY doesn't open it"),
    (("HostConnectError", "unable to get address", "no answer within"), "it doesn't answer"),
)


def meaning(why: str) -> str:
    """What pgBackRest's words about a repository that is away mean, and the words."""
    for words, sentence in _MEANINGS:
        if any(word in why for word in words):
            return f"{sentence} ({PAGE}#the-repository-cant-be-asked): {why}"
    return why or "pgBackRest gives no reason"


def began(label: str) -> datetime | None:
    """When a backup began, by its name: 20261128-100000F_20261128-110000I."""
    last = label.rpartition("_")[2][:15]
    try:
        return datetime.strptime(last, "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


def _ago(at: datetime | None, now: datetime) -> str:
    return f"{age(max(timedelta(), now - at))} ago" if at else "never"


def _for(since: datetime, now: datetime) -> str:
    return f"for {age(max(timedelta(), now - since))} (since {since:%Y-%m-%d %H:%M} UTC)"
