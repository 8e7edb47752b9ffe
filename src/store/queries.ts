/**
 * kysely as the one writer of SQL. It builds and compiles; the store's thread executes. The dialect decides `?` or `$1`.
 */
import {
  type Compilable,
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { Step, Value } from './job.ts'
import type { Tables } from './tables.ts'

/** Queries for SQLite. Its driver executes nothing: `.execute()` on it finds no rows, `.compile()` is what it is for. */
export const sqlite = new Kysely<Tables>({
  dialect: {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => new DummyDriver(),
    createIntrospector: db => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  },
})

/** One step of a job, and how many rows it must change. */
export function step(query: Compilable, changes?: number): Step {
  const { sql, parameters } = query.compile()
  return { sql, parameters: parameters as readonly Value[], ...(changes === undefined ? {} : { changes }) }
}
