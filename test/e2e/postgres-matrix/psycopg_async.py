import asyncio, os, psycopg


async def main():
    async with await psycopg.AsyncConnection.connect(os.environ["URL"], autocommit=True) as c:
        row = await (await c.execute("select id, total from orders where id = %s", (7,))).fetchone()
        print("row", *row)
        print("masked", (await (await c.execute("select email from orders where id = 7")).fetchone())[0])
        async with c.transaction(), c.cursor(name="server_side") as cur:
            await cur.execute("select id, note from orders")
            print("rows", len([row async for row in cur]))
        try:
            await c.execute("delete from orders")
        except psycopg.errors.InsufficientPrivilege as e:
            print("refused", e.sqlstate)
        print("after", (await (await c.execute("select 3")).fetchone())[0])
        async with c.pipeline():
            a, b = await c.execute("select %s::int", (1,)), await c.execute("select %s::int", (2,))
            print("batch", (await a.fetchone())[0], (await b.fetchone())[0])
        async with c.transaction(force_rollback=True):
            cur = c.cursor()
            await cur.executemany("insert into order_items values (%s, %s, %s)", [(9001, 1, "a"), (9002, 1, "b")])
            print("written", cur.rowcount)


asyncio.run(main())
