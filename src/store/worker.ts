/**
 * The store's own thread: the only place that touches `state.db`, and the only one that waits for a disk.
 *
 * It executes each group of jobs in one transaction, each job inside a savepoint, and answers after the COMMIT: one
 * fsync for all who waited, and a job that fails undoes itself alone.
 */
import { closeSync, fchmodSync, openSync } from 'node:fs'
import { DatabaseSync, type SQLOutputValue, type StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import type { Answer, Order, Outcome, Step } from './job.ts'

const SQLITE_BUSY = 5
const SQLITE_CONSTRAINT = 19
/** Statements kept prepared. Our own queries are a few dozen; lists of ids of many lengths are what could grow it. */
const PREPARED = 256

const port = parentPort
if (port === null) throw new TypeError('worker.ts is a thread of store.ts')
const answer = (message: Answer) => port.postMessage(message)

function open(file: string): DatabaseSync {
  // Made before SQLite opens it: its WAL takes the file's mode, and nobody else may read verifiers (invariant 1).
  const made = openSync(file, 'a', 0o600)
  fchmodSync(made, 0o600)
  closeSync(made)
  const db = new DatabaseSync(file, { timeout: 2_000, allowExtension: false })
  // Exclusive: a second gateway over the same state would count uses and cut sessions without knowing of ours.
  db.exec('PRAGMA locking_mode = EXCLUSIVE')
  db.exec('PRAGMA journal_mode = WAL')
  db.exec('PRAGMA synchronous = FULL')
  db.exec('PRAGMA trusted_schema = OFF')
  db.exec('BEGIN IMMEDIATE; COMMIT')
  return db
}

const prepared = new Map<string, StatementSync>()
function prepare(db: DatabaseSync, sql: string): StatementSync {
  let statement = prepared.get(sql)
  if (statement === undefined) {
    statement = db.prepare(sql)
    const oldest = prepared.keys().next()
    if (prepared.size >= PREPARED && !oldest.done) prepared.delete(oldest.value)
    prepared.set(sql, statement)
  }
  return statement
}

function run(db: DatabaseSync, steps: readonly Step[]): Outcome {
  let rows: Record<string, SQLOutputValue>[] = []
  for (const { sql, parameters, changes } of steps) {
    const statement = prepare(db, sql)
    if (statement.columns().length > 0) rows = statement.all(...parameters)
    else {
      const done = Number(statement.run(...parameters).changes)
      if (changes !== undefined && done !== changes) return { is: 'conflict' }
    }
  }
  return { is: 'done', rows }
}

function attempt(db: DatabaseSync, steps: readonly Step[]): Outcome {
  db.exec('SAVEPOINT job')
  let outcome: Outcome
  try {
    outcome = run(db, steps)
  } catch (error) {
    const { errcode } = error as { errcode?: number }
    outcome =
      errcode !== undefined && (errcode & 0xff) === SQLITE_CONSTRAINT
        ? { is: 'conflict' }
        : { is: 'failed', why: String(error) }
  }
  // A full disk or an I/O error may have ended the transaction by itself: then the whole group is lost.
  if (!db.isTransaction)
    throw new Error(outcome.is === 'failed' ? outcome.why : 'SQLite ended the transaction')
  if (outcome.is !== 'done') db.exec('ROLLBACK TO job')
  db.exec('RELEASE job')
  return outcome
}

function commit(db: DatabaseSync, group: readonly (readonly Step[])[]): Answer {
  try {
    db.exec('BEGIN IMMEDIATE')
    const outcomes = group.map(steps => attempt(db, steps))
    db.exec('COMMIT')
    return { outcomes }
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    return { outcomes: [], lost: String(error) }
  }
}

function close(db: DatabaseSync): void {
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  prepared.clear()
  db.close()
  answer({ closed: true })
  port?.close()
}

try {
  const db = open((workerData as { file: string }).file)
  port.on('message', (order: Order) => ('close' in order ? close(db) : answer(commit(db, order.group))))
  answer({ opened: true })
} catch (error) {
  const { errcode = 0 } = error as { errcode?: number }
  answer({ refused: String(error), taken: (errcode & 0xff) === SQLITE_BUSY })
  port.close()
}
