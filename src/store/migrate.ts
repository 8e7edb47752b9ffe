/** Brings the tables up to date: each missing migration in one job, so that a crash leaves a whole number of them. */
import { Unfit } from '../unfit.ts'
import type { Value } from './job.ts'
import { migrations as all, type Kinds, type Migration } from './migrations.ts'
import { step } from './queries.ts'
import type { Store } from './store.ts'

const kinds: Kinds = { bytes: 'blob' }

export async function migrate(
  store: Pick<Store, 'sql' | 'read' | 'write'>,
  migrations: readonly Migration[] = all,
): Promise<void> {
  const { sql, read, write } = {
    sql: store.sql,
    read: store.read.bind(store),
    write: store.write.bind(store),
  }
  await write(
    step(
      sql.schema
        .createTable('migrations')
        .ifNotExists()
        .addColumn('number', 'integer', c => c.primaryKey())
        .addColumn('name', 'text', c => c.notNull()),
    ),
  )
  const done = (await read(sql.selectFrom('migrations').select('number'))).length
  if (done > migrations.length) {
    throw new Unfit(
      `state.db is at migration ${done}, this program knows ${migrations.length}: it was written by a newer one`,
    )
  }
  for (const [index, migration] of migrations.entries()) {
    if (index < done) continue
    const steps = migration
      .up(sql, kinds)
      .map(q => ({ sql: q.sql, parameters: q.parameters as readonly Value[] }))
    await write(
      ...steps,
      step(sql.insertInto('migrations').values({ number: index + 1, name: migration.name })),
    )
  }
}
