"""The command `coworking`: a verb per task, each with all it needs from the environment.

Exit statuses: 0 done; 1 differences were found, or the task failed; 2 a setting or an argument
can't be used; 3 the database is away; 4 its schema is older than this build needs.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coworking import __version__, logs
from coworking.config import SETTINGS, Config, unknown_names
from coworking.config import markdown as settings_table
from coworking.errors import ConfigError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import Engine

# Each verb imports what it needs when it runs: `coworking --help` should not load a web server.


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="coworking")
def group() -> None:
    """The coworking analytics service. Settings come from the environment: see check-config."""


@group.command()
def serve() -> None:
    """Answer requests until SIGTERM or Ctrl-C."""
    from coworking.serve import serve as run  # noqa: PLC0415

    config = Config.read()
    logs.configure(config.log_level)
    for sentence in unknown_names().values():
        logs.warning(sentence)
    run(config)


@group.command()
@click.option("--to", metavar="REVISION", help="Go back to an older revision; `base` undoes all.")
def migrate(to: str | None) -> None:
    """Bring the database's schema to what this build needs; adopt an older service's tables."""
    from coworking import schema  # noqa: PLC0415

    with _engine(migrated=False) as engine:
        if to is None:
            schema.upgrade(engine, progress=click.echo)
        else:
            schema.downgrade(engine, to, progress=click.echo)
        with engine.connect() as connection:
            revision = schema.current_revision(connection)
    click.echo(f"The schema is at revision {revision or 'none'}.")


@group.command()
def fold() -> None:
    """Move the writes since the last fold into the rollups, once. `serve` does it by itself."""
    from coworking import rollups  # noqa: PLC0415
    from coworking.checks import RollupChecks  # noqa: PLC0415

    with _engine() as engine:
        fault = RollupChecks(Config.read().fold_seconds, write_every=0).look(engine)
        click.echo(str(rollups.fold(engine)))
    if fault:
        raise ServiceError(
            f"writes have bypassed the rollups: {fault}",
            hint="This computes them again:\n  coworking rebuild",
        )


@group.command()
def verify() -> None:
    """Compare the rollups with the tokens; status 1 and a line each if they differ."""
    from coworking import rollups  # noqa: PLC0415

    with _engine() as engine:
        found = rollups.differences(engine)
    for difference in found.listed:
        click.echo(str(difference))
    if found.total:
        click.echo(f"{found.total} differences; `coworking rebuild` fixes them.", err=True)
        sys.exit(1)
    click.echo("The rollups equal the tokens.")


@group.command()
def rebuild() -> None:
    """Compute the rollups again from the tokens."""
    from coworking import rollups  # noqa: PLC0415

    with _engine() as engine:
        rollups.rebuild(engine, progress=click.echo)
    click.echo("The rollups were computed again.")


@group.command(name="check-data")
def check_data() -> None:
    """Say where the data begin and end, and what is wrong with them; status 1 if anything is."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from coworking import extent  # noqa: PLC0415

    now = datetime.now(UTC)
    with _engine() as engine, engine.connect() as connection:
        found = extent.extent_of(connection, now)
        listed = extent.impossible(connection, now, most=100)
    oldest, newest = (at and f"{at:%Y-%m-%d %H:%M} UTC" for at in (found.oldest, found.newest))
    click.echo(f"Check-ins: {f'from {oldest} to {newest}' if oldest else 'none'}.")
    if found.silent_since:
        click.echo(f"No check-in since {newest}: longer than any pause before it.")
    if found.not_verified_since:
        click.echo(
            f"Not verified since {found.not_verified_since:%Y-%m-%d %H:%M} UTC: {found.fault}"
        )
    if found.impossible:
        click.echo(f"Impossible dates: {found.impossible}; every report leaves them out.")
    for row in listed:
        click.echo(f"  token {row.token_id} of user {row.user_id}: used at {row.used_at}")
    if found.silent_since or found.impossible or found.not_verified_since:
        sys.exit(1)


@group.command()
@click.option("--month", required=True, type=click.DateTime(["%Y-%m"]), help="Say 2026-10.")
@click.option("--folder", default=".", type=click.Path(path_type=Path), help="Where to write.")
@click.option("--address", help="The service's address, for the link; by default this machine's.")
def report(month: datetime, folder: Path, address: str | None) -> None:
    """Write a month's report: one page of HTML, and where Chromium is, the same as PDF."""
    from datetime import UTC, datetime  # noqa: PLC0415

    from coworking import pdf  # noqa: PLC0415
    from coworking.periods import ParameterError  # noqa: PLC0415
    from coworking.web.month import month_page  # noqa: PLC0415

    config, now = Config.read(), datetime.now(UTC)
    base = address or f"http://127.0.0.1:{config.app_port}"
    with _engine() as engine, engine.connect() as connection:
        try:
            html = month_page(config, connection, month.date(), now, base)
        except ParameterError as error:
            raise ConfigError(str(error)) from None
    page = (folder / f"coworking-{month:%Y-%m}.html").resolve()
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(html, encoding="utf-8")
    click.echo(f"Wrote {page}.")
    program = pdf.chromium()
    if program is None:
        click.echo("No PDF: Chromium is missing. Install it, or name it in CHROMIUM.", err=True)
        return
    pdf.print_page(program, page, page.with_suffix(".pdf"))
    click.echo(f"Wrote {page.with_suffix('.pdf')}.")


@group.command()
@click.option("--users", type=click.IntRange(0, 10_000_000), default=600, show_default=True)
@click.option("--tokens", type=click.IntRange(0, 1_000_000_000), default=120_000, show_default=True)
@click.option("--days", type=click.IntRange(1, 3650), default=365, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Which of many such sets.")
@click.option(
    "--end",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day after the last one; by default today. Equal arguments make equal rows.",
)
@click.option("--if-empty", is_flag=True, help="Do nothing if the database has data.")
@click.option("--replace", is_flag=True, help="Remove the data that is there first.")
def seed(*, if_empty: bool, replace: bool, end: datetime | None, **sizes: int) -> None:
    """Fill the database with demo data; refuses one that has data, unless forced.

    Its days are those of PLACE_TIME_ZONE: the mornings are busy there.
    """
    from datetime import datetime  # noqa: PLC0415
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    from coworking.seed import Plan, has_data, sow  # noqa: PLC0415

    zone = ZoneInfo(Config.read().place_time_zone)
    plan = Plan(end=(end or datetime.now(zone)).date(), zone=zone, **sizes)
    with _engine() as engine:
        if if_empty:
            with engine.connect() as connection:
                if has_data(connection):
                    click.echo("The database has data; nothing was done.")
                    return
        rows = plan.users + plan.tokens
        with click.progressbar(length=rows, label="Demo data", file=sys.stderr) as bar:
            sow(engine, plan, replace=replace, progress=bar.update)
    click.echo(f"{plan.users} users and {plan.tokens} tokens over {plan.days} days.")


@group.command(name="change-password")
@click.option(
    "--within",
    type=click.FloatRange(0, 86_400),
    default=240,
    show_default=True,
    help="Seconds to wait until every process of the service knows the new one.",
)
def change_password(within: float) -> None:
    """Make the announced password the database's; the old one is refused from then on."""
    from coworking import change_password  # noqa: PLC0415
    from coworking.database import translated  # noqa: PLC0415

    with translated():
        change_password.change(Config.read(), within=within, say=click.echo)


@group.command(name="new-key")
def new_key() -> None:
    """Print a fresh access key, for the file of ACCESS_KEY_FILE; it is kept nowhere."""
    from coworking import access  # noqa: PLC0415

    click.echo(access.new_key())


@group.command()
def health() -> None:
    """Ask the service of these settings whether it answers; status 1 if not. For HEALTHCHECK."""
    from http.client import HTTPException  # noqa: PLC0415
    from urllib.request import ProxyHandler, build_opener  # noqa: PLC0415

    config = Config.read()
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.app_host, config.app_host)  # noqa: S104
    host = f"[{host}]" if ":" in host else host
    address = f"http://{host}:{config.app_port}/health_check"
    directly = build_opener(ProxyHandler({}))  # a proxy of the environment is for other hosts
    try:
        with directly.open(address, timeout=2):
            click.echo("ok")
    except (OSError, HTTPException) as error:
        raise ServiceError(f"no answer from {address}: {error}") from None


@group.command(name="check-config")
@click.option("--markdown", is_flag=True, help="Print the documentation's table and stop.")
def check_config(*, markdown: bool) -> None:
    """Print every setting, its value and where it came from; status 2 if one can't be used."""
    if markdown:
        click.echo(settings_table(), nl=False)
        return
    width = max(map(len, SETTINGS))
    for setting in SETTINGS.values():
        value, source = setting.present()
        click.echo(f"{setting.name:<{width}}  {value or '(not set)'}  [{source}]")
    faults = list(_faults())
    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    if faults:
        sys.exit(ConfigError.exit_code)


def _faults() -> Iterator[str]:
    """What is wrong with the environment, a sentence each."""
    from coworking import tls  # noqa: PLC0415
    from coworking.access import AccessKeys  # noqa: PLC0415

    try:
        config = Config.read()
    except ConfigError as error:
        yield from str(error).splitlines()
    else:
        keys = functools.partial(AccessKeys, config.access_key_file)
        authorities = functools.partial(tls.check_file, config.db_sslrootcert)
        for read in (config.password, keys, authorities):
            try:
                read()
            except ConfigError as error:
                yield from str(error).splitlines()
    yield from unknown_names().values()


@contextlib.contextmanager
def _engine(*, migrated: bool = True) -> Iterator[Engine]:
    """The database that the environment names, without a limit on a statement's time.

    Raises:
        SchemaTooOld: `migrated` asks for the schema that this build needs, and it isn't there.
    """
    from coworking import schema  # noqa: PLC0415
    from coworking.database import Database, translated  # noqa: PLC0415

    config = Config.read()
    for sentence in unknown_names().values():
        click.echo(f"warning: {sentence}", err=True)
    database = Database(config, patient=True)
    try:
        with translated():
            if migrated:
                with database.engine.connect() as connection:
                    schema.require(schema.current_revision(connection))
            yield database.engine
    finally:
        database.close()


def main() -> None:
    """Run a verb; an error becomes its sentence on standard error and its exit status."""
    try:
        group(prog_name="coworking")
    except ServiceError as error:
        for line in str(error).splitlines():
            click.echo(f"error: {line}", err=True)
        if error.hint:
            click.echo(error.hint, err=True)
        sys.exit(error.exit_code)
