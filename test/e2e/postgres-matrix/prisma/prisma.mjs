import { PrismaPg } from '@prisma/adapter-pg'
import { PrismaClient } from './generated/client.js'

const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: process.env.URL, max: 2 }) })
const one = await prisma.orders.findUniqueOrThrow({ where: { id: 7 } })
console.log('row', one.id, one.total.toFixed(2))
console.log('masked', one.email)
console.log('rows', (await prisma.orders.findMany({ select: { id: true, note: true } })).length)
try {
  await prisma.orders.deleteMany()
} catch (error) {
  console.log('refused', error.meta?.driverAdapterError?.cause?.originalCode ?? error.cause?.originalCode)
}
const [three] = await prisma.$queryRaw`select ${3}::int as n`
console.log('after', three.n)
const [a, b] = await prisma.$transaction([prisma.$queryRaw`select 1 as n`, prisma.$queryRaw`select 2 as n`])
console.log('batch', a[0].n, b[0].n)
const undo = new Error('undo')
try {
  await prisma.$transaction(async tx => {
    await tx.order_items.createMany({
      data: [
        { id: 9001, order_id: 1, sku: 'a' },
        { id: 9002, order_id: 1, sku: 'b' },
      ],
    })
    console.log('written', await tx.order_items.count({ where: { id: { gt: 9000 } } }))
    throw undo
  })
} catch (error) {
  if (error !== undo) throw error
}
// Relations: a second query, or a join.
const joined = await prisma.orders.findFirst({
  where: { items: { some: { id: 1 } } },
  select: { id: true, items: { select: { sku: true } } },
})
if (joined?.items[0]?.sku === undefined) throw new Error('no relation')
await prisma.$disconnect()
