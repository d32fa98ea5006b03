"""Demo data: a coworking space's members and their tokens, the same for the same arguments.

    sow(engine, Plan(users=600, tokens=120_000, days=365, seed=1, end=date(2026, 6, 30)))

The rhythm is a weekday's: mornings are busy, lunch is not, weekends are quiet. Members join over
time, some fade away, some never come, and some tokens stay unused. As in real data, a token may be
used minutes before it was created, and a member's first ones may precede `joined_at`.
Only `Random.random` is used, whose sequence Python keeps the same in every version.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from itertools import accumulate, islice
from random import Random
from typing import TYPE_CHECKING

from sqlalchemy import text

from coworking import rollups
from coworking.errors import ArgumentError, ServiceError
from coworking.periods import EARLIEST, LATEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

FIRST_NAMES = "Ada Ben Cleo Dan Eva Finn Gia Hugo Ida Jon Kim Leo Mia Ned Ola Pia Ray Sue Tom Una"
LAST_NAMES = "Abel Brook Cole Dale Eden Frost Grove Hart Iver Joss Kent Lake Moor North Oaks Pond"

# How many tokens are issued in each hour from 6:00, in parts of the day's.
WEEKDAY_HOURS = (1, 6, 22, 24, 13, 7, 3, 11, 9, 5, 3, 2, 2, 2, 1, 1)
WEEKEND_HOURS = (0, 0, 2, 6, 10, 10, 6, 7, 8, 7, 5, 3, 1, 0, 0, 0)
FIRST_HOUR = 6
WEEKDAYS = (1.0, 1.05, 1.0, 0.95, 0.75, 0.22, 0.13)  # Monday first, in parts of a Monday
UNUSED = 0.09
NEVER_COME = 0.07
FADE_AWAY = 0.4
LINES = 1000  # lines handed to COPY at a time
STATEMENT = 500_000  # tokens in one COPY: its triggers sum up what one statement brings
DAY_SECONDS = 86_400

COPY_USERS = "COPY public.users (id, first_name, last_name, joined_at, is_active) FROM STDIN"
COPY_TOKENS = "COPY public.tokens (user_id, token, created_at, used_at) FROM STDIN"
INDEXES = text("""
    SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
    FROM pg_index WHERE indrelid = 'public.tokens'::regclass AND NOT indisunique
""")
IS_SUPERUSER = text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")


@dataclass(frozen=True)
class Plan:
    """What to make; equal plans make equal rows.

    Attributes:
        users: how many members.
        tokens: how many tokens, all together.
        days: over how many days they are spread.
        seed: which of the many such data sets.
        end: the day after the last one; no token is created on it.
        zone: whose hours and days these are; the rows are in UTC, as all are.
    """

    users: int
    tokens: int
    days: int
    seed: int
    end: date
    zone: tzinfo = UTC


@dataclass
class Member:
    """A member: from which week of the plan they come until which, and how eagerly."""

    joined: str
    is_active: bool
    first_week: int
    last_week: int
    eagerness: int = field(default=1)


def sow(
    engine: Engine,
    plan: Plan,
    *,
    replace: bool = False,
    progress: Callable[[int], object] = lambda _: None,
) -> None:
    """Fill the database, in one transaction: all of it is there in the end, or nothing.

    Whoever reads tokens waits meanwhile.

    Args:
        engine: a migrated database.
        plan: what to make.
        replace: remove the rows of users and tokens first.
        progress: gets the number of rows written since.

    Raises:
        ArgumentError: the plan asks for tokens of no users, or for days that no report has.
        ServiceError: the database has rows and `replace` is not set.
    """
    _refuse_impossible(plan)
    random = Random(plan.seed)  # noqa: S311 (demo data, meant to be predictable)
    members = _members(plan, random)
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        _make_room(connection, replace=replace)
        first_id = _write_users(connection, members, progress)
        lines = _token_lines(plan, members, first_id, random)
        with _unhindered(connection):
            for _ in range(0, plan.tokens, STATEMENT):
                _copy(connection, COPY_TOKENS, islice(lines, STATEMENT), progress)
    # Not a fold: that takes all changes at once, and PostgreSQL refuses so many as 60 million.
    rollups.rebuild(engine)
    rollups.vacuum(engine, ("users", "tokens"), analyze=True)


def has_data(connection: Connection) -> bool:
    """Whether users or tokens has any row."""
    question = text(
        "SELECT EXISTS (SELECT FROM public.users) OR EXISTS (SELECT FROM public.tokens)"
    )
    return bool(connection.execute(question).scalar())


def _make_room(connection: Connection, *, replace: bool) -> None:
    # From here on nobody else adds rows, another `seed` included.
    connection.execute(text("LOCK TABLE public.tokens, public.users IN SHARE ROW EXCLUSIVE MODE"))
    if replace:
        connection.execute(text("TRUNCATE public.tokens, public.users RESTART IDENTITY"))
    elif has_data(connection):
        raise ServiceError(
            "the database has data already, and demo data would mix with it",
            hint="`coworking seed --replace` removes the rows of users and tokens first.",
        )


@contextmanager
def _unhindered(connection: Connection) -> Iterator[None]:
    """Write tokens in bulk: indexes are made afterwards, and that each has its user is known.

    Row by row the two take five times as long as the rows themselves.
    """
    indexes = connection.execute(INDEXES).all()
    for index in indexes:
        connection.execute(text(f"DROP INDEX {index.name}"))
    if connection.execute(IS_SUPERUSER).scalar():
        # Switches the foreign key's triggers off; those of the rollups fire always.
        connection.execute(text("SET LOCAL session_replication_role = replica"))
    yield
    connection.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
    for index in indexes:
        connection.execute(text(index.definition))


def _refuse_impossible(plan: Plan) -> None:
    if plan.tokens and not plan.users:
        raise ArgumentError(
            f"{plan.tokens} tokens need users, and users is 0", hint="Valid: --users 1 or more."
        )
    earliest = EARLIEST + timedelta(days=2 * plan.days)  # members join up to as long before
    if not earliest <= plan.end <= LATEST:
        raise ArgumentError(
            f"--end {plan.end} is not within {earliest} and {LATEST}",
            hint="Valid, for example: --end 2026-01-01.",
        )


# --- members -------------------------------------------------------------------------------------


def _members(plan: Plan, random: Random) -> list[Member]:
    draw = random.random
    start = plan.end - timedelta(days=plan.days)
    weeks = (plan.days + 6) // 7
    members = []
    for _ in range(plan.users):
        # Half of them were there before; the others join while the days go on.
        offset = int((draw() - 0.5) * 2 * plan.days)
        moment = f"{start + timedelta(days=offset)} {_clock(int((9 + draw() * 9) * 3600))}"
        first_week = max(offset, 0) // 7
        last_week = weeks
        if draw() < FADE_AWAY:
            last_week = first_week + int(draw() * (weeks - first_week + 1))
        if draw() < NEVER_COME:
            last_week = first_week = weeks
        eagerness = 1 + int(8 * draw() ** 3)
        active = last_week == weeks or draw() < 0.3
        members.append(Member(moment, active, first_week, last_week, eagerness))
    return members


def _write_users(
    connection: Connection, members: list[Member], progress: Callable[[int], object]
) -> int:
    """Write them with ids that follow each other; the first id is returned."""
    sequence = "pg_get_serial_sequence('public.users', 'id')"
    first_id: int = connection.execute(text(f"SELECT nextval({sequence})")).scalar_one()
    first_names, last_names = FIRST_NAMES.split(), LAST_NAMES.split()
    lines = (
        f"{first_id + n}\t{first_names[n % 20]}\t{last_names[n // 20 % 16]}\t{member.joined}"
        f"\t{'t' if member.is_active else 'f'}\n"
        for n, member in enumerate(members)
    )
    _copy(connection, COPY_USERS, lines, progress)
    last_id = first_id + max(len(members) - 1, 0)
    connection.execute(
        text(f"SELECT setval({sequence}, :last, :called)"),
        {"last": last_id, "called": bool(members)},
    )
    return first_id


# --- tokens --------------------------------------------------------------------------------------


def _token_lines(plan: Plan, members: list[Member], first_id: int, random: Random) -> Iterator[str]:
    """The lines of COPY, in the order of created_at."""
    minutes = [_minutes(WEEKDAY_HOURS)] * 5 + [_minutes(WEEKEND_HOURS)] * 2
    start = plan.end - timedelta(days=plan.days)
    comers: list[int] = []
    for number, count in enumerate(_tokens_of_days(plan, members, start, random)):
        if number % 7 == 0:
            comers = _comers(members, number // 7, first_id)
        day = start + timedelta(days=number)
        yield from _day_lines(
            LocalDay.of(day, plan.zone), count, minutes[day.weekday()], comers, random
        )


def _tokens_of_days(plan: Plan, members: list[Member], start: date, random: Random) -> list[int]:
    """How many tokens each day has, in sum exactly the plan's."""
    weeks = (plan.days + 6) // 7
    change = [0] * (weeks + 1)
    for member in members:
        change[member.first_week] += member.eagerness
        change[member.last_week] -= member.eagerness
    eager = list(accumulate(change))
    shares = [
        WEEKDAYS[(start.weekday() + day) % 7]
        * (eager[day // 7] + 1)
        * (0.85 + 0.3 * random.random())
        for day in range(plan.days)
    ]
    whole = sum(shares)
    marks = [round(part / whole * plan.tokens) for part in accumulate(shares)]
    marks[-1] = plan.tokens
    return [mark - before for before, mark in zip([0, *marks], marks, strict=False)]


def _comers(members: list[Member], week: int, first_id: int) -> list[int]:
    """The ids of those who come in this week, the eager ones several times.

    They come from Monday on even if they join on Thursday: so some tokens precede `joined_at`.
    """
    ids = [
        first_id + n
        for n, member in enumerate(members)
        if member.first_week <= week < member.last_week
        for _ in range(member.eagerness)
    ]
    return ids or [first_id]


class LocalDay:
    """A day of a zone, whose seconds are written in UTC.

    Its offset is noon's all day: clocks change at night, before the first hour.
    """

    def __init__(self, day: date, offset: int) -> None:
        self._offset = offset
        self._days = [str(day + timedelta(days=step)) for step in (-1, 0, 1, 2)]

    @classmethod
    def of(cls, day: date, zone: tzinfo) -> LocalDay:
        offset = datetime(day.year, day.month, day.day, 12, tzinfo=zone).utcoffset()
        return cls(day, int((offset or timedelta()).total_seconds()))

    def moment(self, second: int) -> str:
        """A second since its midnight, from a day before it to a day after it, as PostgreSQL's."""
        step, second = divmod(second - self._offset, DAY_SECONDS)
        return f"{self._days[step + 1]} {_clocks()[second]}"


def _day_lines(
    day: LocalDay, count: int, minutes: list[int], comers: list[int], random: Random
) -> Iterator[str]:
    draw, spread, people = random.random, len(minutes), len(comers)
    created = sorted(minutes[int(draw() * spread)] * 60 + int(draw() * 60) for _ in range(count))
    for second in created:
        user, code = comers[int(draw() * people)], int(draw() * 16_777_216)
        line = f"{user}\t{code:06X}\t{day.moment(second)}\t"
        chance = draw()
        if chance < UNUSED:
            yield line + "\\N\n"
            continue
        # Most are used within a quarter of an hour, a few by a clock that is behind, some later.
        used = second + int(draw() * 900)
        if chance > 0.97:
            used = second + int(draw() * 21_600)
        elif chance > 0.9:
            used = second - int(draw() * 360)
        yield f"{line}{day.moment(used)}\n"


def _minutes(hours: tuple[int, ...]) -> list[int]:
    """The minutes of a day, each as often as its hour's part says."""
    return [
        (FIRST_HOUR + n) * 60 + minute
        for n, parts in enumerate(hours)
        for minute in range(60)
        for _ in range(parts)
    ]


@cache
def _clocks() -> list[str]:
    return [_clock(second) for second in range(DAY_SECONDS)]


def _clock(second: int) -> str:
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"


# --- COPY ----------------------------------------------------------------------------------------


class _Stream:
    """A file of lines that are made while it is read, so that the server works meanwhile."""

    def __init__(self, lines: Iterator[str], progress: Callable[[int], object]) -> None:
        self._lines = lines
        self._progress = progress

    def read(self, _: int = -1) -> str:
        """The next lines; COPY takes a piece of any length."""
        lines = list(islice(self._lines, LINES))
        self._progress(len(lines))
        return "".join(lines)


def _copy(
    connection: Connection, command: str, lines: Iterator[str], progress: Callable[[int], object]
) -> None:
    cursor = connection.connection.cursor()
    try:
        cursor.copy_expert(command, _Stream(lines, progress), size=1 << 17)
    finally:
        cursor.close()
