"""Whether the rollups still follow `tokens`: checked with every fold, a part of the data at a time.

Writes can bypass the triggers: logical replication and a partition of its own fire none, a restore
of data alone switches them off, and a renamed or re-created `tokens` has none. So each check asks
cheaply whether the triggers, and the views that readers read, are those of the table that is named
`tokens`, and compares one part of the rollups with the same part of the tokens, in one snapshot.
The parts are, in this order, users, quarter hours of check-ins, and all dates of issue at once; all
of them are a rotation, and its steps are so long that it ends within half a day.

What was found stands in the table rollup_checks, for all processes. A fault stays until `coworking
rebuild`, or until a whole rotation after it found none.

    checks = RollupChecks(fold_seconds=30)
    fault = checks.look(engine)          # None, or what is wrong
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import text

from coworking import rollups, set_checks
from coworking.extent import extent_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

ROTATION = 43_200.0  # seconds: a leader that changes in the middle still leaves time for a second
MOST_STEPS = 250  # of one kind in a rotation
WRITE_EVERY = 600.0  # seconds; each write makes kept answers void
SHOWN = 3  # faults that are put into words

STATE = text("""
    SELECT part, after, rotation_began, verified_at, whole_since, fault, now() AS now
    FROM public.rollup_checks
""")
SAVE = text("""
    UPDATE public.rollup_checks
    SET part = :part, after = :after, rotation_began = :rotation_began,
        verified_at = :verified_at, whole_since = :whole_since, fault = :fault,
        not_verified_since = CASE WHEN :fault IS NOT NULL
                                  THEN coalesce(not_verified_since, :since) END
""")

UNFOLDED = text("""
    SELECT (SELECT count(*) FROM public.quarter_deltas)
         + (SELECT count(*) FROM public.user_deltas) + (SELECT count(*) FROM public.token_deltas)
         + (SELECT count(*) FROM public.member_changes)
""")

# A new server's first attempts may fail; what counts is that none succeeded since. No row without
# backups. https://www.postgresql.org/docs/15/monitoring-stats.html#MONITORING-PG-STAT-ARCHIVER-VIEW
NOT_ARCHIVED_SINCE = text("""
    SELECT coalesce(last_archived_time, stats_reset) FROM pg_catalog.pg_stat_archiver
    WHERE last_failed_time > coalesce(last_archived_time, '-infinity')
        AND current_setting('archive_mode') <> 'off'
""")


@dataclass(frozen=True)
class RotationPart:
    """One kind of part: how to find where a step ends, and how to compare what lies in it.

    Attributes:
        first: where the first step begins, as text.
        end: the key with which a step that begins at :after ends; no row if it is the last one.
        size: how many keys there are.
        compare: counts the keys in :after ≤ key < :until that differ.
        sets: one row for each set of members that differs there (coworking/set_checks.py).
    """

    first: str
    end: str
    size: str
    compare: str
    sets: tuple[str, ...] = ()


PARTS = {
    "users": RotationPart(
        first=str(-(2**31)),
        end="""SELECT user_id::text FROM public.user_visits
               WHERE user_id >= CAST(:after AS bigint) ORDER BY user_id OFFSET :size LIMIT 1""",
        size="SELECT count(*) FROM public.user_visits",
        compare="""
            SELECT count(*) FROM (
                SELECT user_id, count(*) AS visits, min(used_at) AS first_check_in
                FROM public.tokens WHERE user_id >= CAST(:after AS bigint)
                    AND user_id < CAST(coalesce(:until, '2147483648') AS bigint) GROUP BY user_id
            ) t FULL JOIN (
                SELECT user_id, visits, first_check_in
                FROM public.exact_user_visits WHERE user_id >= CAST(:after AS bigint)
                    AND user_id < CAST(coalesce(:until, '2147483648') AS bigint)
            ) e USING (user_id) WHERE t IS DISTINCT FROM e""",
    ),
    "check-ins": RotationPart(
        first="-infinity",
        end="""SELECT start::text FROM public.quarter_hours
               WHERE start >= CAST(:after AS timestamp) ORDER BY start OFFSET :size LIMIT 1""",
        size="SELECT count(*) FROM public.quarter_hours",
        compare="""
            SELECT count(*) FROM (
                SELECT public.quarter_hour(used_at) AS start, count(*) AS check_ins
                FROM public.tokens WHERE used_at >= CAST(:after AS timestamp)
                    AND (used_at < CAST(:until AS timestamp) OR :until IS NULL) GROUP BY 1
            ) t FULL JOIN (
                SELECT start, check_ins FROM public.exact_quarter_hours
                WHERE check_ins <> 0 AND start >= CAST(:after AS timestamp)
                    AND (start < CAST(:until AS timestamp) OR :until IS NULL)
            ) e USING (start) WHERE t IS DISTINCT FROM e""",
        sets=(set_checks.HOURS.format(after=":after", until=":until"),),
    ),
    # No index leads to `created_at`, so once in a rotation all of it is read, and summed up: each
    # row adds a hash of its quarter hour or day, so that two wrong ones can't cancel out.
    "dates of issue": RotationPart(
        first="",
        end="SELECT NULL WHERE false AND CAST(:after AS text) = CAST(:size AS text)",
        size="SELECT 1",
        compare="""
            WITH truth AS (
                SELECT sum(hash) AS issued, sum(hash) FILTER (WHERE used_at IS NULL) AS unused,
                       sum(day) FILTER (WHERE used_at IS NOT NULL) AS daily
                FROM (SELECT used_at,
                             timestamp_hash_extended(public.quarter_hour(created_at), 1) AS hash,
                             timestamp_hash_extended(created_at::date::timestamp, 2) AS day
                      FROM public.tokens) each_token
            ), quarters AS (
                SELECT sum(hash * issued) AS issued, sum(hash * unused) AS unused
                FROM (SELECT issued, unused, timestamp_hash_extended(start, 1)::numeric AS hash
                      FROM public.exact_quarter_hours) each_quarter
            ), days AS (
                SELECT sum(timestamp_hash_extended(day::timestamp, 2)::numeric * visits) AS daily
                FROM public.exact_daily_visits
            )
            SELECT (coalesce(truth.issued, 0) <> coalesce(quarters.issued, 0))::int
                 + (coalesce(truth.unused, 0) <> coalesce(quarters.unused, 0))::int
                 + (coalesce(truth.daily, 0) <> coalesce(days.daily, 0))::int
            FROM truth, quarters, days
            WHERE CAST(:after AS text) IS NOT NULL AND CAST(:until AS text) IS NULL""",
        sets=(set_checks.LONGER, set_checks.JOINED),
    ),
}
ORDER = tuple(PARTS)


class RollupChecks:
    """The checks of one process: where its rotation stands, and when it was last written down.

    Args:
        fold_seconds: how often `look` is called.
        write_every: seconds between two notes in the database while nothing is wrong.
    """

    def __init__(self, fold_seconds: float, write_every: float = WRITE_EVERY) -> None:
        self.steps = max(1, min(MOST_STEPS, int(ROTATION / fold_seconds / 2) - 1))
        self._write_every = write_every
        self._written = -float("inf")
        self._state: dict[str, Any] | None = None

    def look(self, engine: Engine) -> str | None:
        """Check once; returns what is wrong, also what was found before and is not repaired yet.

        Does nothing while a fold or a rebuild is under way.
        """
        isolated = engine.connect().execution_options(isolation_level="READ COMMITTED")
        with isolated as connection, connection.begin():
            taken = text("SELECT pg_try_advisory_xact_lock(:key)")
            free = connection.execute(taken, {"key": rollups.FOLD_LOCK}).scalar()
            saved = dict(connection.execute(STATE).mappings().one())
            if not free:
                return saved["fault"]  # type: ignore[no-any-return]  # text or null
            state = self._state or saved
            state |= {name: saved[name] for name in ("fault", "now")}
            if saved["whole_since"] > state["whole_since"]:  # rebuilt meanwhile
                state = saved
            self._state = state
            return self._checked(connection, state)

    def _checked(self, connection: Connection, state: dict[str, Any]) -> str | None:
        idle = rollups.bypasses(connection)
        if idle:
            said = "; ".join(map(str, idle[:SHOWN]))
            self._fail(connection, state, said, since=state["verified_at"])
            return said
        if differing := self._step(connection, state):
            said = f"{differing} in {state['part']}"
            self._fail(connection, state, said, since=state["whole_since"])
            return said
        state["verified_at"] = state["now"]
        if state["part"] == ORDER[0] and state["after"] == "":  # a whole rotation without a fault
            state |= {"whole_since": state["rotation_began"], "fault": None}
            state["rotation_began"] = state["now"]
            self._save(connection, state)
        elif time.monotonic() - self._written >= self._write_every:
            self._save(connection, state)
        return state["fault"]  # type: ignore[no-any-return]  # text or null

    def _step(self, connection: Connection, state: dict[str, Any]) -> int:
        """Compare the next step, and move on if nothing differs; returns how many keys differ."""
        connection.execute(text("LOCK TABLE public.users, public.tokens IN ACCESS SHARE MODE"))
        part = PARTS[state["part"]]
        after = state["after"] or part.first
        keys = connection.execute(text(part.size)).scalar_one()
        step = {"after": after, "size": -(-keys // self.steps) or 1}
        until = connection.execute(text(part.end), step).scalar()
        between = {"after": after, "until": until}
        differing: int = connection.execute(text(part.compare), between).scalar_one()
        for query in part.sets:
            differing += connection.execute(set_checks.counting(query), between).scalar_one()
        if differing:
            return differing
        state["after"] = until or ""
        if until is None:
            state["part"] = ORDER[(ORDER.index(state["part"]) + 1) % len(ORDER)]
        return 0

    def _fail(
        self, connection: Connection, state: dict[str, Any], fault: str, since: datetime
    ) -> None:
        """Write the fault down, and begin a new rotation: all of it must be right after this."""
        changed = state["fault"] != fault
        state |= {"fault": fault, "part": ORDER[0], "after": "", "rotation_began": state["now"]}
        if changed:
            self._save(connection, state, since)

    def _save(
        self, connection: Connection, state: dict[str, Any], since: datetime | None = None
    ) -> None:
        connection.execute(SAVE, {**state, "since": since})
        self._written = time.monotonic()


class DataFigures:
    """What Prometheus learns of the data: ages in seconds, which grow also while nobody reads.

    Attributes:
        registry: the gauges.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._newest: datetime | None = None
        self._not_verified_since: datetime | None = None
        self._folded: datetime | None = None
        self._not_archived_since: datetime | None = None
        self._up = self._number("database_up", "1 if the last tick of the fold reached it.")
        self._unfolded = self._number("unfolded_rows", "Changes of tokens that no fold has moved.")
        self._bypasses = self._number(
            "rollup_bypasses", "Triggers and views that are not in their place."
        )
        self._gauge(
            "fold_age_seconds",
            "Seconds since this process last folded; 0 while another one does.",
            lambda: self._folded,
        )
        self._gauge(
            "newest_check_in_age_seconds",
            "Seconds since the newest check-in; 0 if there is none.",
            lambda: self._newest,
        )
        self._gauge(
            "rollups_not_verified_seconds",
            "Seconds since the rollups were last known to equal the tokens; 0 while they do.",
            lambda: self._not_verified_since,
        )
        self._gauge(
            "log_not_archived_seconds",
            "Seconds since PostgreSQL last archived its log, while its attempts fail; else 0.",
            lambda: self._not_archived_since,
        )

    def _gauge(self, name: str, help_text: str, since: Callable[[], datetime | None]) -> None:
        gauge = Gauge(f"coworking_{name}", help_text, registry=self.registry)
        gauge.set_function(lambda: _age(since()))

    def _number(self, name: str, help_text: str) -> Gauge:
        return Gauge(f"coworking_{name}", help_text, registry=self.registry)

    def read(self, engine: Engine) -> None:
        """Read all of it again; it has reached the database."""
        with engine.connect() as connection:
            found = extent_of(connection, datetime.now(UTC))
            self._unfolded.set(connection.execute(UNFOLDED).scalar_one())
            self._bypasses.set(len(rollups.bypasses(connection)))
            self._not_archived_since = connection.execute(NOT_ARCHIVED_SINCE).scalar()
        self._newest, self._not_verified_since = found.newest, found.not_verified_since
        self._up.set(1)

    def away(self) -> None:
        """The database can't be read."""
        self._up.set(0)

    def folds(self, *, here: bool) -> None:
        """This process has just folded, or another one does."""
        self._folded = datetime.now(UTC) if here else None


def _age(since: datetime | None) -> float:
    return 0.0 if since is None else max(0.0, (datetime.now(UTC) - since).total_seconds())
