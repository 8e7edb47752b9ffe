import postgres from 'postgres'

const sql = postgres(process.env.URL.replace('?sslmode=prefer', ''), {
  max: 1,
  ssl: { rejectUnauthorized: false },
})
const [row] = await sql`select id, total from orders where id = ${7}`
console.log('row', row.id, row.total)
console.log('masked', (await sql`select email from orders where id = 7`)[0].email)
let rows = 0
await sql`select id, note from orders`.cursor(500, some => {
  rows += some.length
})
console.log('rows', rows)
await sql`delete from orders`.catch(error => console.log('refused', error.code))
console.log('after', (await sql`select 3 as n`)[0].n)
const [a, b] = await Promise.all([sql`select ${1}::int as n`, sql`select ${2}::int as n`])
console.log('batch', a[0].n, b[0].n)
await sql
  .begin(async tx => {
    const done = await tx`insert into order_items ${tx([
      { id: 9001, order_id: 1, sku: 'a' },
      { id: 9002, order_id: 1, sku: 'b' },
    ])}`
    console.log('written', done.count)
    throw new RangeError('rolled back on purpose')
  })
  .catch(error => {
    if (!(error instanceof RangeError)) throw error
  })
await sql.end()
