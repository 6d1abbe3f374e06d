"""SQLAlchemy Core statements straight on psycopg.

SQLAlchemy compiles each statement once and gives results their shape; its connection, execution context and
cursor layers are left out, since they cost more than the query itself (measured: a third of the time per
statement).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import ExecStatus
from sqlalchemy import Executable, create_engine
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.sql.compiler import SQLCompiler

from kit.db.pool import Connection

Params = Mapping[str, Any] | None

_DIALECT: Final = create_engine("postgresql+psycopg://").dialect
_MOST_SHAPES: Final = 500
_NOTHING: Final = SimpleResultMetaData(())


class Rows(IteratorResult[Any]):
    """The rows of a statement with all that SQLAlchemy's `Result` offers; `rowcount` for what was changed."""

    def __init__(self, shape: SimpleResultMetaData, rows: Iterable[Any], rowcount: int) -> None:
        super().__init__(shape, iter(rows))
        self.rowcount = rowcount


class Prepared:
    """One compiled statement: its text, how values go in, and how rows come out."""

    def __init__(self, compiled: SQLCompiler) -> None:
        if compiled.insert_prefetch or compiled.update_prefetch:
            raise TypeError("Python-side column defaults are not supported: use server_default")
        self._compiled = compiled
        self._sql = compiled.string
        self._processors: Mapping[str, Any] = compiled._bind_processors
        self._expands = bool(compiled.post_compile_params)
        self._shape: SimpleResultMetaData | None = None

    def bind(
        self, params: Params, extracted: Any = None, collected: Any = None
    ) -> tuple[str, dict[str, Any]]:
        """Text and values for the driver. Raises InvalidRequestError of SQLAlchemy for a missing value."""
        values = self._compiled.construct_params(
            params, extracted, escape_names=not self._expands, _collected_params=collected
        )
        if self._expands:  # `IN` lists: the text depends on their lengths
            state = self._compiled._process_parameters_for_postcompile(values)
            return state.statement, _processed(
                {**values, **state.parameters}, state.processors, self._processors
            )
        return self._sql, _processed(values, self._processors) if self._processors else dict(values)

    def rows(self, cursor: psycopg.AsyncCursor[Any], fetched: Sequence[Any] | None) -> Rows:
        """What came back; None is what a statement without rows fetches."""
        if fetched is None:
            return Rows(_NOTHING, (), cursor.rowcount)
        if self._shape is None:
            self._shape = self._shape_of(cursor.description or ())
        return Rows(self._shape, fetched, cursor.rowcount)

    def _shape_of(self, description: Sequence[Any]) -> SimpleResultMetaData:
        names = [column.name for column in description]
        entries = self._compiled._result_columns
        if len(entries) != len(names):
            return SimpleResultMetaData(names)
        processors = [
            entry.type._cached_result_processor(_DIALECT, column.type_code)
            for entry, column in zip(entries, description, strict=True)
        ]
        return SimpleResultMetaData(names, extra=[entry.objects for entry in entries], _processors=processors)


class Statements:
    """Compiled statements: by identity for those built once, by structure for those built anew each time."""

    def __init__(self) -> None:
        self._by_identity: WeakKeyDictionary[Any, dict[Any, tuple[Prepared, Any, Any]]] = WeakKeyDictionary()
        self._by_structure: dict[Any, SQLCompiler] = {}
        self._prepared: dict[int, Prepared] = {}

    def find(self, statement: Executable, params: Params) -> tuple[Prepared, Any, Any]:
        """The compiled statement, with the literal values that this one statement holds."""
        # the columns of an INSERT or UPDATE without values() follow from the parameters
        columns = tuple(sorted(params)) if params and getattr(statement, "is_dml", False) else ()
        known = self._by_identity.get(statement)
        if known is None:
            known = self._by_identity[statement] = {}
        found = known.get(columns)
        if found is None:
            found = known[columns] = self._compile(statement, columns)
        return found

    def _compile(self, statement: Any, columns: tuple[str, ...]) -> tuple[Prepared, Any, Any]:
        if len(self._by_structure) > _MOST_SHAPES:
            self._by_structure.clear()
            self._by_identity.clear()
            self._prepared.clear()
        compiled, extracted, collected, _ = statement._compile_w_cache(
            _DIALECT, compiled_cache=self._by_structure, column_keys=list(columns)
        )
        prepared = self._prepared.get(
            id(compiled)
        )  # it keeps the compiled statement, so the id stays its own
        if prepared is None:
            prepared = self._prepared[id(compiled)] = Prepared(compiled)
        return prepared, extracted, collected


_statements: Final = Statements()


async def execute(connection: Connection, statement: Executable, params: Params) -> Rows:
    """Runs one statement. Raises the driver's errors as they are."""
    prepared, extracted, collected = _statements.find(statement, params)
    cursor = await connection.execute(*prepared.bind(params, extracted, collected))
    # not by the cursor's description, which is made anew for each look at it: an object for each column
    gave = cursor.pgresult is not None and cursor.pgresult.status == ExecStatus.TUPLES_OK
    return prepared.rows(cursor, await cursor.fetchall() if gave else None)


def _processed(values: Mapping[str, Any], *processors: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    done = dict(values)
    for name, process in ((name, process) for each in processors for name, process in each.items()):
        if name in done:
            done[name] = process(values[name])
    return done
