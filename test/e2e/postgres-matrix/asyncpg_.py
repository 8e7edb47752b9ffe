import asyncio, os, asyncpg


async def main():
    c = await asyncpg.connect(os.environ["URL"])
    row = await c.fetchrow("select id, total from orders where id = $1", 7)
    print("row", *row)
    print("masked", await c.fetchval("select email from orders where id = 7"))
    async with c.transaction():
        print("rows", len([row async for row in c.cursor("select id, note from orders", prefetch=500)]))
    try:
        await c.execute("delete from orders")
    except asyncpg.InsufficientPrivilegeError as e:
        print("refused", e.sqlstate)
    print("after", await c.fetchval("select 3"))
    statement = await c.prepare("select $1::int")
    print("batch", await statement.fetchval(1), await statement.fetchval(2))
    tx = c.transaction()
    await tx.start()
    await c.executemany("insert into order_items values ($1, $2, $3)", [(9001, 1, "a"), (9002, 1, "b")])
    print("written", await c.fetchval("select count(*) from order_items where id > 9000"))
    await tx.rollback()
    await c.close()


asyncio.run(main())
