import pg from 'pg'

const pool = new pg.Pool({
  connectionString: process.env.URL.replace('sslmode=prefer', 'sslmode=no-verify'),
  max: 2,
})
const c = await pool.connect()
const {
  rows: [row],
} = await c.query({ name: 'one', text: 'select id, total from orders where id = $1', values: [7] })
console.log('row', row.id, row.total)
console.log('masked', (await c.query('select email from orders where id = 7')).rows[0].email)
console.log('rows', (await c.query('select id, note from orders where id > $1', [0])).rows.length)
await c.query('delete from orders').catch(error => console.log('refused', error.code))
console.log('after', (await c.query('select 3 as n')).rows[0].n)
const [a, b] = await Promise.all([c.query('select $1::int as n', [1]), c.query('select $1::int as n', [2])])
console.log('batch', a.rows[0].n, b.rows[0].n)
await c.query('begin')
const done = await c.query('insert into order_items values ($1, 1, $2), ($3, 1, $4)', [9001, 'a', 9002, 'b'])
console.log('written', done.rowCount)
await c.query('rollback')
c.release()
await pool.end()
