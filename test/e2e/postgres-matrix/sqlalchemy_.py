import os
from sqlalchemy import MetaData, Table, create_engine, delete, func, insert, inspect, select
from sqlalchemy.exc import ProgrammingError

engine = create_engine(os.environ["URL"].replace("postgresql://", "postgresql+psycopg://"), pool_size=2)
look = inspect(engine)
assert {"orders", "order_items"} <= set(look.get_table_names())
assert [c["name"] for c in look.get_columns("orders")] == ["id", "customer_id", "email", "total", "note"]
assert str(look.get_columns("orders")[3]["type"]) == "NUMERIC(10, 2)"
assert look.get_pk_constraint("orders")["constrained_columns"] == ["id"]
assert look.get_foreign_keys("order_items")[0]["referred_table"] == "orders"
assert look.get_indexes("orders") == look.get_unique_constraints("orders") == look.get_check_constraints("orders") == []
assert "order_view" in look.get_view_names() and "total" in look.get_view_definition("order_view")
assert look.get_table_comment("orders") == {"text": None} and look.get_schema_names()
assert look.get_table_options("orders") == {} and look.has_table("orders") and not look.has_table("nothing")
meta = MetaData()
items = Table("order_items", meta, autoload_with=engine)
orders = meta.tables["orders"]  # by the foreign key
everything = MetaData()
everything.reflect(engine, views=True)
assert everything.tables["order_items"].c.order_id.foreign_keys
with engine.connect() as c:
    print("row", *c.execute(select(orders.c.id, orders.c.total).where(orders.c.id == 7)).one())
    print("masked", c.scalar(select(orders.c.email).where(orders.c.id == 7)))
    print("rows", len(c.execution_options(yield_per=500).execute(select(orders.c.id, orders.c.note)).all()))
with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as c:
    try:
        c.execute(delete(orders))
    except ProgrammingError as e:
        print("refused", e.orig.sqlstate)
    print("after", c.scalar(select(3)))
with engine.connect() as c:
    print("batch", c.scalar(select(func.abs(-1))), c.scalar(select(func.abs(-2))))
    c.execute(insert(items), [dict(id=9001, order_id=1, sku="a"), dict(id=9002, order_id=1, sku="b")])
    print("written", c.scalar(select(func.count()).select_from(items).where(items.c.id > 9000)))
    c.rollback()
engine.dispose()
