/**
 * The thread that parses and walks. It trusts nothing it reads and says only facts; whatever goes wrong in it but a
 * plain syntax error is its end (LESSONS [Q1]), which {@link file://./analyser.ts} sees to.
 */
import { parentPort } from 'node:worker_threads'
import { loadModule, parseSync, SqlError } from 'libpg-query'
import type { Analysis, Limits } from './analysis.ts'
import { factsOf } from './facts.ts'

export interface Question {
  readonly id: number
  readonly sql: string
  readonly limits: Limits
}

export type Answer =
  | { readonly id: number; readonly analysis: Analysis }
  /** Not a syntax error: the parser may be broken for good. */
  | { readonly id: number; readonly broken: string }

function analyse({ sql, limits }: Question): Analysis {
  // The parser refuses to read nothing at all; the server answers it with nothing.
  if (sql === '') return { ok: true, statements: [] }
  try {
    const spent = { work: 0 }
    const statements = parseSync(sql).stmts ?? []
    return { ok: true, statements: statements.map(({ stmt }) => factsOf(stmt, limits, spent)) }
  } catch (error) {
    // "memory exhausted" is the grammar's own depth limit, and leaves the parser whole.
    if (error instanceof SqlError) return { ok: false, why: error.message }
    throw error
  }
}

const port = parentPort
if (port === null) throw new TypeError('worker.ts runs in a worker thread')
await loadModule()
port.on('message', (question: Question) => {
  let answer: Answer
  try {
    answer = { id: question.id, analysis: analyse(question) }
  } catch (error) {
    answer = { id: question.id, broken: String(error) }
  }
  port.postMessage(answer)
})
port.postMessage('ready')
