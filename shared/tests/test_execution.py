"""Core statements on the driver: values in, rows out, compiled once."""

from typing import Any

import pytest
from probe.storage.tables import things
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import InvalidRequestError

from kit.db import execution
from kit.db.engine import Database
from kit.db.execution import Statements
from kit.values.ids import new_id

pytestmark = pytest.mark.asyncio

LIST = select(things.c.id, things.c.n).order_by(things.c.id)


@pytest.fixture
def tenant() -> str:
    return new_id("ten")


async def fill(db: Database, tenant: str) -> None:
    async with db.uow(tenant) as tx:
        for n, name in enumerate("abc"):
            await tx.run(insert(things), {"tenant_id": tenant, "id": name, "n": n})


async def test_rows_come_in_every_shape_of_a_result(db: Database, tenant: str) -> None:
    await fill(db, tenant)
    async with db.uow(tenant) as tx:
        first = (await tx.run(LIST)).first()
        assert first is not None
        assert (first.id, first.n, first[0], first._mapping[things.c.n]) == ("a", 0, "a", 0)
        assert [(name, n) for name, n in await tx.run(LIST)] == [("a", 0), ("b", 1), ("c", 2)]
        assert (await tx.run(LIST)).scalars().all() == ["a", "b", "c"]
        assert (await tx.run(LIST)).mappings().all()[1] == {"id": "b", "n": 1}
        assert (await tx.run(select(func.count()).select_from(things))).scalar_one() == 3
        assert (await tx.run(text("SELECT 1 WHERE false"))).one_or_none() is None


async def test_literal_values_of_equal_statements_do_not_mix(db: Database, tenant: str) -> None:
    await fill(db, tenant)
    async with db.uow(tenant) as tx:
        for name, n in (("a", 0), ("b", 1), ("a", 0)):
            assert (await tx.run(select(things.c.n).where(things.c.id == name))).scalar_one() == n


async def test_lists_expand_to_their_length(db: Database, tenant: str) -> None:
    await fill(db, tenant)
    some = select(things.c.id).where(things.c.id.in_(bindparam("ids", expanding=True))).order_by(things.c.id)
    async with db.uow(tenant) as tx:
        for ids in (["a"], ["a", "c"], [], ["a", "b", "c"]):
            assert (await tx.run(some, {"ids": ids})).scalars().all() == ids
        assert (await tx.run(LIST.where(things.c.id.in_(["b", "c"])))).scalars().all() == ["b", "c"]


async def test_changes_are_counted_and_can_return(db: Database, tenant: str) -> None:
    await fill(db, tenant)
    raised = update(things).where(things.c.n >= bindparam("least")).values(n=things.c.n + 10)
    async with db.uow(tenant) as tx:
        assert (await tx.run(raised, {"least": 1})).rowcount == 2
        assert (await tx.run(raised.returning(things.c.n), {"least": 12})).scalars().all() == [22]
        assert (await tx.run(delete(things))).rowcount == 3


async def test_columns_of_an_insert_follow_its_values(db: Database, tenant: str) -> None:
    add = insert(things)
    async with db.uow(tenant) as tx:
        await tx.run(add, {"tenant_id": tenant, "id": "a"})
        await tx.run(add, {"tenant_id": tenant, "id": "b", "n": 7})
        assert [tuple(row) for row in await tx.run(LIST)] == [("a", 0), ("b", 7)]


async def test_types_are_converted_both_ways(db: Database, tenant: str) -> None:
    query = text(
        "SELECT :document AS document, :names AS names, :nothing AS nothing, '%' AS sign"
    ).bindparams(
        bindparam("document", type_=JSONB),
        bindparam("names", type_=ARRAY(Text)),
        bindparam("nothing", type_=Text),
    )
    values: dict[str, Any] = {"document": {"a": [1, None]}, "names": ["x", "y"], "nothing": None}
    async with db.uow(tenant) as tx:
        assert (await tx.run(query, values)).mappings().one() == {**values, "sign": "%"}


async def test_a_value_that_is_missing_is_told(db: Database, tenant: str) -> None:
    with pytest.raises(InvalidRequestError, match="id"):
        async with db.uow(tenant) as tx:
            await tx.run(text("SELECT :id"), {})


async def test_defaults_of_python_are_refused() -> None:
    table = Table("t", MetaData(), Column("n", Integer, default=1), Column("id", Text))
    with pytest.raises(TypeError, match="server_default"):
        Statements().find(insert(table), {"id": "a"})


async def test_a_statement_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    statements = Statements()
    first, *_ = statements.find(LIST, None)
    assert statements.find(LIST, None)[0] is first
    built = [statements.find(select(things.c.n).where(things.c.id == name), None)[0] for name in "ab"]
    assert built[0] is built[1]
    monkeypatch.setattr(execution, "_MOST_SHAPES", 1)
    for columns in ([things.c.tenant_id], [things.c.n, things.c.id], [things.c.n, things.c.n + 1]):
        statements.find(select(*columns), None)
    assert len(statements._prepared) == len(statements._by_structure) <= 2
