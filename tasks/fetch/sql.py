"""Rows of a SQL query, through a server-side cursor: the client never holds more than a few of them.

Incremental looks rest on one order: rows sorted by the column that grows are cut into chunks of a fixed size, never
between two rows of one value. Chunks that end below the high-water mark (less what may come late) are done with; the
others are read again. So rows that share the mark are never missed, and as long as no row comes later than `late_by`,
any sequence of looks gives the very chunks of one look at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from schemas.config.remote_sources import SqlSource
from schemas.errors import ConfigError, Interrupted
from tasks.fetch.chunks import ChunkWriter, chunk_path
from tasks.fetch.contract import JSON, Destination, Failure, Fetched, Item, SourceDown
from tasks.fetch.secrets import blot_out, resolve

ROWS_AT_A_TIME = 200
"""Rows that are asked for at a time: at 1 MB each, 200 MB."""

CONNECT_S = 10

WITHOUT_MARK = "rows-without-mark"
"""Stands for the rows that have no value in the incremental column, which no look can find its way back to."""


def fetch_sql(source: SqlSource, known: Mapping[str, Item], state: JSON, destination: Destination) -> Fetched:
    """Implements `tasks.fetch.contract.Fetcher`."""
    del state
    engine, shown = _engine(source)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                # A query that writes is a mistake; all statements of a look see one state of the database.
                connection = connection.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ")
            reading = _reading(connection, source)
            standing = _standing(source, known)
            chunks = ChunkWriter(destination, url=shown, number=len(standing))
            if source.incremental is None:
                _read_all(connection, reading, source, chunks, destination)
            else:
                _read_new(connection, reading, source, standing, chunks, destination)
            failures = _without_mark(connection, reading, source, shown)
            connection.rollback()
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        raise SourceDown("unreachable", _brief(error)) from None
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise SourceDown("unreachable", _brief(error)) from None
        raise ConfigError(
            f"the database refuses the query: {_brief(error)}", where="query", hint="try it in a client of the database"
        ) from None
    finally:
        engine.dispose()
    transferred = sum(known.get(item.path) is None or known[item.path].sha256 != item.sha256 for item in chunks.items)
    return Fetched([*standing, *chunks.items], failures, transferred=transferred)


@dataclass(frozen=True, slots=True)
class _Reading:
    """The query as part of others, and the columns that are read."""

    query: str
    fields: tuple[str, ...]


def _engine(source: SqlSource) -> tuple[sa.Engine, str]:
    """The database, and how it may be called before people."""
    text = resolve(source.url, "url")
    try:
        url = sa.engine.make_url(text)
        if url.password:
            blot_out(str(url.password))
        if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_file():
            raise SourceDown("not_there", f"there is no database {url.database}")
        options: dict[str, Any] = {}
        if url.get_backend_name() == "postgresql":
            options = {"connect_args": {"connect_timeout": CONNECT_S}}
        engine = sa.create_engine(url, poolclass=sa.NullPool, hide_parameters=True, **options)
    except (exc.ArgumentError, exc.NoSuchModuleError, ImportError) as error:
        raise ConfigError(
            f"the database cannot be opened: {type(error).__name__}",
            where="url",
            hint="write it like postgresql+psycopg://user@host/database, and install its driver",
        ) from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _keep_bad_bytes)
    return engine, url.set(username=None, password=None, query={}).render_as_string(hide_password=True)


def _keep_bad_bytes(connection: Any, record: Any) -> None:
    """SQLite does not check that texts are UTF-8: what is not must reach quarantine, not end the cursor."""
    del record
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")


def _reading(connection: sa.Connection, source: SqlSource) -> _Reading:
    query = source.query.strip().rstrip(";")
    # A colon before a word would be a parameter to SQLAlchemy.
    query = re.sub(r"(?<![:\w\\]):(?=\w)", r"\\:", query)
    columns = list(connection.execute(sa.text(f"SELECT * FROM ({query}) AS nightmill_rows WHERE 1=0")).keys())
    wanted = (source.text_field, source.licence_field, source.origin_field)
    for setting, name in (
        ("text_field", wanted[0]),
        ("incremental", source.incremental),
        ("order_by", source.order_by),
    ):
        if name is not None and name not in columns:
            raise ConfigError(
                f"the query gives no column {name!r}", where=setting, hint="it gives: " + ", ".join(columns)
            )
    return _Reading(query, tuple(name for name in dict.fromkeys(wanted) if name in columns))


def _rows(connection: sa.Connection, statement: sa.Executable, destination: Destination) -> Iterator[Any]:
    result = connection.execution_options(stream_results=True, max_row_buffer=ROWS_AT_A_TIME).execute(statement)
    for number, rows in enumerate(result.partitions(ROWS_AT_A_TIME)):
        if destination.stopping():
            raise Interrupted("stopped between two rows")
        destination.progress(number * ROWS_AT_A_TIME, number * ROWS_AT_A_TIME, "rows")
        yield from rows
    result.close()


def _read_all(
    connection: sa.Connection, reading: _Reading, source: SqlSource, chunks: ChunkWriter, destination: Destination
) -> None:
    """Reads the query as it stands, so that its own ORDER BY holds."""
    for number, row in enumerate(_rows(connection, sa.text(reading.query), destination)):
        if number == source.limit:
            break
        chunks.write({name: row._mapping[name] for name in reading.fields})
        if chunks.rows >= source.chunk_rows:
            chunks.end({})
    chunks.end({})


def _read_new(
    connection: sa.Connection,
    reading: _Reading,
    source: SqlSource,
    standing: list[Item],
    chunks: ChunkWriter,
    destination: Destination,
) -> None:
    """Reads the rows behind the chunks that stand."""
    assert source.incremental is not None
    mark: sa.ColumnClause[Any] = sa.column(source.incremental)
    order = [source.incremental, *([source.order_by] if source.order_by is not None else reading.fields)]
    columns: list[sa.ColumnClause[Any]] = [
        sa.column(name) for name in dict.fromkeys([*reading.fields, source.incremental])
    ]
    rows = sa.text(f"({reading.query}) AS nightmill_rows")
    statement = sa.select(*columns).select_from(rows).order_by(*(sa.column(name) for name in dict.fromkeys(order)))
    statement = statement.where(mark.is_not(None))
    if standing:
        statement = statement.where(mark > _decoded(standing[-1].tag["last"]))
    left = None if source.limit is None else source.limit - sum(item.tag["rows"] for item in standing)
    last: Any = None
    for number, row in enumerate(_rows(connection, statement, destination)):
        value = row._mapping[source.incremental]
        if chunks.rows >= source.chunk_rows and value != last:
            chunks.end({"last": _encoded(last)})
        if left is not None and number >= left:
            break
        chunks.write({name: row._mapping[name] for name in reading.fields})
        last = value
    if chunks.rows:
        chunks.end({"last": _encoded(last)})


def _standing(source: SqlSource, known: Mapping[str, Item]) -> list[Item]:
    """The chunks that need not be read again."""
    if source.incremental is None:
        return []
    chunks: list[Item] = []
    while chunk_path(len(chunks)) in known:
        chunks.append(known[chunk_path(len(chunks))])
    if not chunks:
        return []
    below = _earlier(_decoded(chunks[-1].tag["last"]), source.late_by)
    whole = [item.tag["rows"] >= source.chunk_rows and _decoded(item.tag["last"]) < below for item in chunks]
    return chunks[: whole.index(False)]  # The last chunk ends at the mark, so it is always read again.


def _without_mark(connection: sa.Connection, reading: _Reading, source: SqlSource, shown: str) -> list[Failure]:
    if source.incremental is None:
        return []
    rows = sa.text(f"({reading.query}) AS nightmill_rows")
    counted = sa.select(sa.func.count()).select_from(rows).where(sa.column(source.incremental).is_(None))
    count = connection.execute(counted).scalar_one()
    detail = f"{count} rows have no value in {source.incremental!r}"
    return [Failure(WITHOUT_MARK, shown, "no_mark", detail)] if count else []


def _earlier(value: Any, by: float) -> Any:
    if not by:
        return value
    if isinstance(value, datetime):
        return value - timedelta(seconds=by)
    if isinstance(value, date):
        return value - timedelta(days=by)
    if isinstance(value, (int, float)):
        return value - by
    if isinstance(value, Decimal):
        return value - Decimal(str(by))
    raise ConfigError(
        f"`incremental` holds a {type(value).__name__}", where="late_by", hint="it needs numbers, times or dates"
    )


def _encoded(value: Any) -> JSON:
    """A mark as JSON that tells its type."""
    if isinstance(value, (datetime, date)):
        return [type(value).__name__, value.isoformat()]
    if isinstance(value, Decimal):
        return ["Decimal", str(value)]
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return [type(value).__name__, value]
    raise ConfigError(
        f"`incremental` holds a {type(value).__name__}", where="incremental", hint="use a number, a time or a date"
    )


def _decoded(value: JSON) -> Any:
    kind, held = value
    match kind:
        case "datetime":
            return datetime.fromisoformat(held)
        case "date":
            return date.fromisoformat(held)
        case "Decimal":
            return Decimal(held)
        case _:
            return held


def _brief(error: Exception) -> str:
    cause = getattr(error, "orig", None) or error
    return (str(cause).strip().splitlines() or [""])[0][:200] or type(cause).__name__
