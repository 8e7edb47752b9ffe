/**
 * The PostgreSQL door without the house behind it: one grant, a recorder that keeps what it is told, a guard that a test
 * chooses. The pipeline, the real recorder and the real guard are tested through `bin/postern`.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { createSecureContext, type SecureContext } from 'node:tls'
import { SecretRef } from '../../config/secret.ts'
import { Refused, refuse } from '../../denial.ts'
import type { Recorder, Result, Seq, Statement, StreamRecorder, Verdict } from '../../recording/record.ts'
import type { Ending, Grant, Narrowed, ScramVerifier } from '../../words.ts'
import type { Client, Door, DoorKeys, Session } from '../protocol.ts'
import { dial } from './dial.ts'
import type { PostgresGuard } from './guard.ts'
import type { PostgresScope } from './scope.ts'
import { type GuardFor, serve } from './serve.ts'
import type { PostgresTarget } from './target.ts'
import type { PostgresUpstream } from './upstream.ts'

export interface Line {
  readonly seq: number
  readonly type: 'statement' | 'result' | 'input'
  readonly of?: number
  readonly statement?: Statement
  readonly allow?: boolean
  readonly parameters?: Buffer
  readonly result?: Result
}

/** Keeps records in order; a statement counts as written only after a flush. */
export class KeptRecorder implements Recorder {
  readonly lines: Line[] = []
  flushed = 0
  failing: Error | null = null
  statement(verdict: Verdict, parameters?: Uint8Array): Seq {
    const seq = this.lines.length + 1
    const { statement, allow } = verdict
    this.lines.push({
      seq,
      type: 'statement',
      statement,
      allow,
      ...(parameters ? { parameters: Buffer.from(parameters) } : {}),
    })
    return seq as Seq
  }
  result(of: Seq, result: Result): void {
    this.lines.push({ seq: this.lines.length + 1, type: 'result', of, result })
  }
  flush(): void {
    if (this.failing !== null) throw this.failing
    this.flushed = this.lines.length
  }
  file(): void {
    throw new TypeError('a database has no files')
  }
  echoed(): void {
    throw new TypeError('a database has no terminals')
  }
  /** One line when it is over. */
  stream(of: Seq): StreamRecorder {
    const pieces: Uint8Array[] = []
    const finish = () => {
      this.lines.push({ seq: this.lines.length + 1, type: 'input', of, parameters: Buffer.concat(pieces) })
    }
    const none = () => undefined
    return {
      input: bytes => pieces.push(Buffer.from(bytes)),
      output: none,
      resize: none,
      end: finish,
      finish,
    }
  }
  hide(): void {
    throw new TypeError('the lease is hidden by the broker')
  }
  async close(): Promise<void> {
    this.flushed = this.lines.length
  }
  statements(): string[] {
    return this.lines.filter(line => line.type === 'statement').map(line => line.statement?.text ?? '')
  }
  results(): Result[] {
    return this.lines.flatMap(line => (line.result === undefined ? [] : [line.result]))
  }
}

export function verifierOf(password: string, salt = randomBytes(16)): ScramVerifier {
  const salted = pbkdf2Sync(password, salt, 4096, 32, 'sha256')
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(hmac('Client Key')).digest()
  return { iterations: 4096, salt, storedKey, serverKey: hmac('Server Key') }
}

export const wholeScope: PostgresScope = {
  statements: ['select', 'insert', 'update', 'delete'],
  tables: ['public.*'],
  write_tables: ['public.*'],
  columns: {},
  functions: [],
  catalog: false,
  max_rows: null,
  statement_timeout: null,
  max_bytes: null,
  transaction_timeout: null,
  idle_timeout: null,
  statements_per_second: null,
  mask: [],
}

const permitted = new Map<string, Verdict>()

/** Lets everything through but what mentions `forbidden`; verdicts are shared, as a cache shares them. */
export const simpleGuard: PostgresGuard = {
  judge(sql) {
    const known = permitted.get(sql)
    if (known !== undefined) return known
    const statement: Statement = { kind: 'any', text: sql, touches: [] }
    const verdict: Verdict = /forbidden/i.test(sql)
      ? { allow: false, statement, denial: refuse('statement_refused', 'it says forbidden').denial }
      : { allow: true, statement }
    permitted.set(sql, verdict)
    return verdict
  },
}

/** The same, but each verdict takes a while. */
export const slowGuard: PostgresGuard = {
  judge: sql => new Promise(resolve => setTimeout(resolve, 5, simpleGuard.judge(sql) as Verdict)),
}

export interface Doorway {
  readonly target: PostgresTarget
  readonly lease: { readonly user: string; readonly password: string }
  readonly scope?: Partial<PostgresScope>
  readonly connection?: string
  readonly owner?: string
  readonly guard?: PostgresGuard
  /** A guard made for each session, as the protocol makes it. */
  readonly guardFor?: GuardFor
  readonly keys?: Partial<DoorKeys>
  readonly tokenLogin?: boolean
  readonly tokenIssuer?: string
}

export interface LiveSession extends Session<PostgresScope, PostgresUpstream> {
  readonly recorder: KeptRecorder
  ending: Ending | null
}

export interface OpenDoor {
  readonly port: number
  readonly grant: string
  readonly password: string
  url(query?: string): string
  readonly sessions: LiveSession[]
  readonly noted: Refused[]
  /** What `serve` rejected with. */
  readonly faults: unknown[]
  readonly refused: Refused[]
  readonly cancelled: Buffer[]
  close(): Promise<void>
}

/** A session as the broker would open it, for the door or for one-shots. */
export async function openSession(
  way: Pick<Doorway, 'target' | 'lease' | 'scope' | 'connection' | 'owner'>,
  at: {
    readonly grant?: string
    readonly id?: string
    readonly serving?: Promise<void>
    readonly destroyClient?: () => void
  } = {},
): Promise<LiveSession | Refused> {
  const owner = { issuer: 'okta', id: way.owner ?? 'ann', client: 'agents' }
  const grant = { id: at.grant ?? 'g_1', owner, connection: way.connection ?? 'orders-db' } as Grant
  const scope = { ...wholeScope, ...way.scope } as Narrowed<PostgresScope>
  const variable = `DOOR_FIXTURE_${randomBytes(6).toString('hex').toUpperCase()}`
  process.env[variable] = way.lease.password
  const password = await new SecretRef(`env:${variable}`).resolve()
  delete process.env[variable]
  const abort = new AbortController()
  const { signal } = abort
  const lease = { user: way.lease.user, password }
  const upstream = await dial({ target: way.target, lease, scope, grant, session: 's_1', signal })
  if (upstream instanceof Refused) return upstream
  let over: Promise<void> | undefined
  const session: LiveSession = {
    id: at.id ?? 's_1',
    grant,
    scope,
    recordValues: false,
    upstream,
    recorder: new KeptRecorder(),
    signal,
    cancelKey: randomBytes(8),
    ending: null,
    end(ending) {
      over ??= (async () => {
        session.ending = ending
        abort.abort(ending)
        const grace = new Promise<void>(resolve => setTimeout(resolve, 500))
        if (ending.how === 'cut') await Promise.race([at.serving, grace])
        await Promise.race([upstream[Symbol.asyncDispose](), grace])
        upstream.destroy()
        at.destroyClient?.()
      })()
      return over
    },
  }
  return session
}

export async function openDoor(way: Doorway): Promise<OpenDoor> {
  const grant = `g_${randomBytes(6).toString('hex')}`
  const password = `pst_${randomBytes(32).toString('base64url')}`
  const [verifier, decoy] = [verifierOf(password), verifierOf(randomBytes(16).toString('hex'))]
  const sessions: LiveSession[] = []
  const [noted, refused]: [Refused[], Refused[]] = [[], []]
  const faults: unknown[] = []
  const cancelled: Buffer[] = []
  const sockets = new Set<Socket>()

  const doorFor = (socket: Socket, serving: Promise<void>): Door<PostgresScope, PostgresUpstream> => ({
    signal: new AbortController().signal,
    proof: async user => ({
      scram: user === grant ? verifier : decoy,
      tokenLogin: (way.tokenLogin ?? false) && user !== grant,
      ...(way.tokenIssuer === undefined ? {} : { tokenIssuer: way.tokenIssuer }),
      publicKeys: [],
    }),
    async enter(shown) {
      const good =
        shown.how === 'scram'
          ? shown.user === grant && shown.proven
          : shown.how === 'secret' && shown.secret === 'a.good.token'
      if (!good) {
        const bad = shown.how === 'secret' ? 'token_signature' : 'grant_unknown'
        const no = refuse(bad, 'wrong credential')
        refused.push(no)
        return no
      }
      const session = await openSession(way, {
        grant,
        id: `s_${sessions.length + 1}`,
        serving,
        destroyClient: () => socket.destroy(),
      })
      if (session instanceof Refused) {
        refused.push(session)
        return session
      }
      sessions.push(session)
      return session
    },
    async cancel(key) {
      cancelled.push(Buffer.from(key))
      const session = sessions.find(one => Buffer.from(one.cancelKey).equals(Buffer.from(key)))
      await session?.upstream.cancel()
    },
    note: no => {
      noted.push(no)
    },
  })

  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    const client: Client = {
      kind: 'stream',
      socket,
      source: '127.0.0.1',
      keys: { tls: noTls, hostKey: '', plaintext: true, loopback: true, ...way.keys },
    }
    const done = Promise.withResolvers<void>()
    void serve(client, doorFor(socket, done.promise), way.guardFor ?? (() => way.guard ?? simpleGuard))
      .catch((error: unknown) => void faults.push(error))
      .then(() => done.resolve())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const { database } = way.target
  return {
    port,
    grant,
    password,
    url: (query = 'sslmode=disable') =>
      `postgresql://${grant}:${password}@127.0.0.1:${port}/${database}?${query}`,
    sessions,
    noted,
    faults,
    refused,
    cancelled,
    async close() {
      server.close()
      for (const session of sessions) session.upstream.destroy()
      for (const socket of sockets) socket.destroy()
    },
  }
}

const noTls: SecureContext = createSecureContext()
