import { and, count, eq, gt, sql } from 'drizzle-orm'
import { integer, numeric, pgTable, text } from 'drizzle-orm/pg-core'

const orders = pgTable('orders', {
  id: integer().primaryKey(),
  email: text(),
  total: numeric(),
  note: text(),
})
const items = pgTable('order_items', {
  id: integer().primaryKey(),
  orderId: integer('order_id'),
  sku: text(),
})

/** What Drizzle says over one of its drivers. */
async function talk(db, rowsOf) {
  const one = db
    .select({ id: orders.id, total: orders.total })
    .from(orders)
    .where(eq(orders.id, sql.placeholder('id')))
    .prepare('one')
  const [row] = await one.execute({ id: 7 })
  console.log('row', row.id, row.total)
  const [masked] = await db.select({ email: orders.email }).from(orders).where(eq(orders.id, 7))
  console.log('masked', masked.email)
  console.log('rows', (await db.select({ id: orders.id, note: orders.note }).from(orders)).length)
  await db.delete(orders).catch(error => console.log('refused', error.cause?.code ?? error.code))
  console.log('after', rowsOf(await db.execute(sql`select ${3}::int as n`))[0].n)
  const both = await Promise.all([1, 2].map(n => db.execute(sql`select ${n}::int as n`)))
  console.log('batch', ...both.map(answer => rowsOf(answer)[0].n))
  await db
    .transaction(async tx => {
      await tx.insert(items).values([1, 2].map(n => ({ id: 9000 + n, orderId: 1, sku: 'a' })))
      const [{ n }] = await tx.select({ n: count() }).from(items).where(gt(items.id, 9000))
      console.log('written', n)
      tx.rollback()
    })
    .catch(error => {
      if (error.constructor.name !== 'TransactionRollbackError') throw error
    })
  const [joined] = await db
    .select({ sku: items.sku })
    .from(orders)
    .innerJoin(items, and(eq(items.orderId, orders.id), eq(items.id, 1)))
  if (joined?.sku === undefined) throw new Error('no join')
}

if (process.env.DRIVER === 'pg') {
  const [{ drizzle }, { default: pg }] = await Promise.all([
    import('drizzle-orm/node-postgres'),
    import('pg'),
  ])
  const pool = new pg.Pool({ connectionString: process.env.URL.replace('prefer', 'disable') })
  await talk(drizzle(pool), answer => answer.rows)
  await pool.end()
} else {
  const [{ drizzle }, { default: postgres }] = await Promise.all([
    import('drizzle-orm/postgres-js'),
    import('postgres'),
  ])
  const client = postgres(process.env.URL.replace('prefer', 'disable'), { max: 2 })
  await talk(drizzle(client), answer => answer)
  await client.end()
}
