"""What `status` makes of the line that keep-backups prints each minute.

tests/postgres/test_keep_backups.py reads lines that the real program has printed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ci.argocd.client import LogLine
from ci.oncall import server_log
from ci.oncall.backup_state import QUEUE_MB, BackupState, judge, meaning

NOW = datetime(2026, 11, 29, 11, tzinfo=UTC)
FULL = "20261122-031700F"
NEWEST = f"{FULL}_20261129-103000I"


def at(**ago: float) -> str:
    return str(int((NOW - timedelta(**ago)).timestamp()))


WELL = {
    "every": "3600",
    "server": "up",
    "archived_at": at(seconds=20),
    "waiting": "0",
    "checksums": "on",
    "bad_pages": "0",
    "disk": "12",
    "free": "17000",
    "repository": "backups",
    "since": at(days=3),
    "asked": at(seconds=30),
    "newest": NEWEST,
    "oldest": FULL,
    "proven": FULL,
    "proven_at": at(days=2),
}
AWAY = {"repository": "away", "asked": at(seconds=30), "since": at(minutes=10)}
FORBIDDEN = "[ProtocolError] HTTP request failed with 403 (Forbidden): "


def line(changes: dict[str, str], why: str = "", *, said: datetime = NOW) -> LogLine:
    words = {name: value for name, value in (WELL | changes).items() if value}
    text = " ".join(f"{name}={value}" for name, value in words.items())
    return LogLine(said, f"State: {text}{f' why={why}' * bool(why)}")


def state(changes: dict[str, str], why: str = "") -> BackupState:
    found = BackupState.parse(line(changes, why))
    assert found is not None
    return found


def test_a_healthy_line_is_well_and_shows_the_three_ages() -> None:
    found = state({})

    assert judge(found, "prod", NOW) == ((), ())
    assert found.line(NOW) == (
        "log 20 seconds ago, backup 30 minutes ago (20261122-031700F_20261129-103000I),"
        " proven 7 days ago (20261122-031700F)"
    )


@pytest.mark.parametrize(
    ("repository", "shown"),
    [
        ("away", "the backups are not known"),
        ("", "the backups are not known"),
        ("empty", "no back"),
    ],
)
def test_backups_that_nobody_could_list_are_not_called_missing(repository: str, shown: str) -> None:
    found = state({"repository": repository, "newest": "", "oldest": "", "proven": ""})

    assert found.line(NOW).startswith(f"log 20 seconds ago, {shown}")


def test_a_database_without_checksums_says_so_since_its_pages_are_not_checked() -> None:
    found = state({"checksums": "off", "bad_pages": ""})

    assert found.line(NOW).endswith(", no page checksums")
    assert judge(found, "prod", NOW) == ((), ())


def test_each_section_that_is_named_is_on_the_page() -> None:
    page = Path("docs/backups.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## (.*)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in titles}
    sources = [path.read_text(encoding="utf-8") for path in Path("ci/oncall").glob("*.py")]
    named = {found for text in sources for found in re.findall(r"\{PAGE\}#([a-z-]+)", text)}
    assert len(named) > 3
    assert named <= anchors


def test_a_database_that_nobody_writes_to_is_well_however_old_its_log_is() -> None:
    assert judge(state({"archived_at": at(days=2)}), "prod", NOW) == ((), ())


@pytest.mark.parametrize(
    ("changes", "why", "begins"),
    [
        (AWAY, f"{FORBIDDEN}ExpiredToken", "the repository can't be asked for 10 minutes"),
        (
            {"waiting": "3", "waiting_since": at(minutes=4)},
            "",
            "no log is archived for 4 minutes (since 2026-11-29 10:56 UTC): 48 MiB of log wait on",
        ),
        (
            {"waiting": "321", "waiting_since": at(hours=4)},
            "",
            "5136 MiB of log wait on the volume, more than 5120, so the oldest is dropped",
        ),
        ({"dropped_at": at(minutes=9)}, "", "log was dropped, as found 9 minutes ago"),
        ({"disk": "93", "free": "1400"}, "", "the database's volume is 93 % full (1400 MiB free)"),
        ({"bad_pages": "2"}, "", "PostgreSQL has read 2 corrupted pages: python -m ci restore"),
        ({"damaged": "yes"}, "", f"backup {NEWEST} has corrupted pages"),
        ({"newest": f"{FULL}_20261129-063000I"}, "", "the newest backup is 4 hours old"),
        ({"repository": "empty", "newest": "", "oldest": ""}, "", "there is no backup yet"),
        ({"proven_at": at(days=10)}, "", "the last proof was 10 days ago, and one is due every"),
        (
            {"proven": "", "proven_at": "", "oldest": "20261115-031700F"},
            "",
            "no backup was proven by a restore yet",
        ),
    ],
)
def test_what_does_not_end_by_itself_needs_a_person(
    changes: dict[str, str], why: str, begins: str
) -> None:
    person, underway = judge(state(changes, why), "prod", NOW)

    assert [each.startswith(begins) for each in person] == [True], person
    assert underway == ()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (AWAY | {"since": at(minutes=1)}, "the repository can't be asked for 60 seconds"),
        ({"disk": "85", "free": "3000"}, "the database's volume is 85 % full"),
        ({"running": "full"}, "a backup is being taken (full)"),
        ({"asked": ""}, "the repository has not been asked yet"),
        ({"proven": "", "proven_at": ""}, "no backup was proven by a restore yet"),
        (
            {"running": "full", "repository": "unused", "newest": "", "oldest": "", "proven": ""},
            "a backup is being taken (full)",
        ),
    ],
)
def test_what_may_end_by_itself_is_only_mentioned(changes: dict[str, str], sentence: str) -> None:
    person, underway = judge(state(changes), "prod", NOW)

    assert person == ()
    assert underway[0].startswith(sentence)


def test_a_segment_that_waits_for_a_minute_is_nothing() -> None:
    """Healthy archiving takes seconds; after a failed attempt PostgreSQL waits a minute."""
    assert judge(state({"waiting": "1", "waiting_since": at(seconds=70)}), "prod", NOW) == ((), ())


def test_an_archiver_that_failed_before_the_repository_was_made_is_not_judged() -> None:
    """On a new cluster it tries first: `failed_count` is never read."""
    program = Path("apps/postgres/bin/state.sh").read_text(encoding="utf-8")
    assert "failed_count" not in program


def test_a_backup_that_is_late_since_one_runs_is_not_a_fault() -> None:
    late = {"newest": f"{FULL}_20261129-063000I", "running": "full"}
    assert judge(state(late), "prod", NOW) == ((), ("a backup is being taken (full)",))


def test_a_keeper_that_is_silent_is_not_taken_for_well() -> None:
    old = BackupState.parse(line({}, said=NOW - timedelta(minutes=6)))
    assert old is not None

    [said], underway = judge(old, "prod", NOW)

    assert said.startswith("the backups are not known: keep-backups has said nothing for 6 minutes")
    assert "logs postgresql-0 -c backups" in said
    assert underway == ()


@pytest.mark.parametrize(
    ("why", "says"),
    [
        (
            "[ProtocolError] HTTP request failed with 404 (Not Found): NoSuchBucket",
            "the bucket is not there",
        ),
        (f"{FORBIDDEN}ExpiredToken", "the rights of the pod have expired"),
        (
            "[ProtocolError] HTTP request failed with 400 (Bad Request): ExpiredTokenException",
            "the rights of the pod have expired",
        ),
        (f"{FORBIDDEN}AccessDenied", "the pod has no right to the bucket"),
        (
            "[FormatError] unable to load info file '/prod/backup/main/backup.info'",
            "BACKUP_KEY doesn't open it",
        ),
        (
            "[HostConnectError] unable to connect to 'localhost:1': [111] Connection refused",
            "it doesn't answer",
        ),
        ("it gives no answer within 30 s", "it doesn't answer"),
    ],
)
def test_what_pgbackrest_says_is_explained_and_kept(why: str, says: str) -> None:
    assert meaning(why).startswith(f"{says} (docs/backups.md#")
    assert meaning(why).endswith(f": {why}")


def test_words_that_nobody_knows_are_shown_as_they_are() -> None:
    assert meaning("[OptionInvalidError] what") == "[OptionInvalidError] what"


@pytest.mark.parametrize(
    "text",
    ["", "Counted after x: tokens 1", "P00   INFO: backup command end", "State: asked=17959x"],
)
def test_other_lines_and_one_that_was_cut_off_are_not_read(text: str) -> None:
    assert BackupState.parse(LogLine(NOW, text)) is None


def test_the_words_of_pgbackrest_do_not_set_anything() -> None:
    found = state(AWAY, "[ProtocolError] newest=20991231-000000F disk=1")
    assert (found.newest, found.disk) == (NEWEST, 12)


def test_the_limits_are_those_of_the_settings() -> None:
    settings = Path("base/postgres/backups/pgbackrest.conf").read_text(encoding="utf-8")
    (gigabytes,) = re.findall(r"^archive-push-queue-max=(\d+)GiB$", settings, re.MULTILINE)
    assert int(gigabytes) * 1024 == QUEUE_MB


SAID = "2026-11-29 10:58:00.000 UTC [77] "
INVALID = f"{SAID}ERROR:  invalid page in block 7 of relation base/16385/16390"
NO_SPACE = f'{SAID}PANIC:  could not write to file "pg_wal/xlogtemp.29": No space left on device'
NO_BLOCK = (
    f'{SAID}ERROR:  could not extend file "base/5/16384": wrote only 4096 of 8192 bytes at block 9'
)
DROPPED = (
    "P00   WARN: dropped WAL file '000000010000000000000005' because archive queue exceeded 5GB"
)


@pytest.mark.parametrize(
    ("text", "minutes", "changes", "begins"),
    [
        (INVALID, 600, {}, "PostgreSQL has read a corrupted page: invalid page in block 7 of"),
        (
            f"{SAID}WARNING:  page verification failed, calculated checksum 1 but expected 2",
            600,
            {},
            "PostgreSQL has read a corrupted page: page verification failed",
        ),
        (INVALID, 1, {"bad_pages": "1"}, ""),
        (NO_SPACE, 1, {}, "the database's volume is full: could not write to file"),
        (NO_BLOCK, 1, {}, "the database's volume is full: could not extend file"),
        (NO_SPACE, 16, {}, ""),
        (NO_SPACE, 1, {"disk": "100"}, ""),
        (DROPPED, 10, {}, "dropped WAL file '000000010000000000000005' because archive queue"),
        (DROPPED, 40, {}, ""),  # a backup was taken since
        (DROPPED, 10, {"dropped_at": at(minutes=9)}, ""),
        (f"{SAID}LOG:  invalid page in block 7, said a user", 1, {}, ""),
    ],
)
def test_the_server_s_log_is_read_for_what_its_keeper_does_not_say(
    text: str, minutes: int, changes: dict[str, str], begins: str
) -> None:
    lines = [LogLine(NOW - timedelta(minutes=minutes), text), LogLine(NOW, f"{SAID}LOG:  ready")]

    person, underway = server_log.judge(lines, NOW, state(changes))

    assert [each.startswith(begins) for each in person] == [True] * bool(begins), person
    assert underway == ()
