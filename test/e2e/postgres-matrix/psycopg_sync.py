import os, psycopg
from psycopg import sql

with psycopg.connect(os.environ["URL"], autocommit=True) as c:
    for binary in (False, True):
        row = c.cursor(binary=binary).execute("select id, total from orders where id = %s", (7,)).fetchone()
    for _ in range(7):
        c.execute("select id from orders where id = %s", (7,), prepare=True)
    print("row", *row)
    print("masked", c.execute("select email from orders where id = 7").fetchone()[0])
    with c.transaction():
        print("rows", sum(1 for _ in c.cursor().stream("select id, note from orders")))
    try:
        c.execute("delete from orders")
    except psycopg.errors.InsufficientPrivilege as e:
        print("refused", e.sqlstate)
    print("after", c.execute("select 3").fetchone()[0])
    with c.pipeline():
        a, b = c.execute("select %s::int", (1,)), c.execute("select %s::int", (2,))
        print("batch", a.fetchone()[0], b.fetchone()[0])
    with c.transaction(force_rollback=True):
        cur = c.cursor()
        cur.executemany("insert into order_items values (%s, %s, %s)", [(9001, 1, "a"), (9002, 1, None or "b")])
        print("written", cur.rowcount)
