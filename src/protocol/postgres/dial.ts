/**
 * The way to a PostgreSQL with a lease, and the one file of this folder that sees the secret.
 *
 * The target is hostile too (attack 98): every frame is bounded, SCRAM must be run to the server's own proof, an
 * authentication that was not asked for ends it, and a password goes in clear only to a server whose certificate was verified.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Leased, Secret } from '../../config/secret.ts'
import { Refused, refuse } from '../../denial.ts'
import type { Dialling } from '../protocol.ts'
import { findFamilies, needsFamilies, scopeThere, type There } from './family.ts'
import { Gone, Inbox } from './inbox.ts'
import { type Link, openLink } from './link.ts'
import { findOwnFunctions, mayFindOwnFunctions, ownFunctions } from './own-functions.ts'
import { readParameter, visibleParameter } from './parameters.ts'
import type { PostgresScope } from './scope.ts'
import { bindingTo, clientBare, clientFinal } from './scram.ts'
import { type Answer, CHECK_CONNECTION, run, runAll, startupSettings } from './session-setup.ts'
import { type PostgresTarget, type RoleLease, schemaOf } from './target.ts'
import { PostgresUpstream, readInto } from './upstream.ts'
import { SHOW_VERSION, versionOf } from './version.ts'
import {
  AUTHENTICATION,
  BACKEND_KEY,
  ERROR,
  errorFields,
  frame,
  handshakeBounds,
  int32,
  NOTICE,
  PARAMETER_STATUS,
  PASSWORD,
  READY,
  Violation,
} from './wire.ts'

const PROTOCOL_3_0 = 196608
const DIAL_TIMEOUT = 10_000
const WAITING = 2 * 1024 * 1024

/** Who logs in where, and with which settings from the startup packet on. */
export interface Login {
  readonly target: PostgresTarget
  readonly lease: Leased<RoleLease>
  readonly settings: readonly (readonly [name: string, value: string])[]
  readonly signal: AbortSignal
}

/** Logged in, with nobody but us speaking: statements of ours go through {@link run}. */
export interface LoggedIn {
  readonly link: Link
  readonly inbox: Inbox
  readonly key: Buffer
  readonly parameters: ReadonlyMap<string, string>
}

/** The server said no, in its own words. */
class ServerSaidNo extends Error {}

export async function dial(
  at: Dialling<PostgresTarget, RoleLease, PostgresScope>,
): Promise<PostgresUpstream | Refused> {
  const settings = [
    ['application_name', `postern/${at.grant.id}`],
    ...startupSettings(schemaOf(at.target), at.scope),
  ] as const
  const signal = AbortSignal.any([at.signal, AbortSignal.timeout(DIAL_TIMEOUT)])
  const loggedIn = await logIn({ target: at.target, lease: at.lease, settings, signal })
  if (loggedIn instanceof Refused) return loggedIn
  const { link, inbox, key, parameters } = loggedIn
  try {
    // A server of single bytes folds letters in names that the guard's parser leaves as they are, and SQL_ASCII checks no text.
    const encoding = parameters.get('server_encoding') ?? 'not told'
    if (encoding !== 'UTF8') throw new Violation(`the database's encoding is ${encoding}, and must be UTF8`)
    const schema = schemaOf(at.target)
    // The first may be unknown to the server, and is then left.
    const [, some, numbered] = await runAll(link, inbox, [
      CHECK_CONNECTION,
      mayFindOwnFunctions(schema),
      SHOW_VERSION,
    ])
    const there = await asThere(link, inbox, at)
    if (there instanceof Refused) {
      link.destroy()
      return there
    }
    const own = found(some).length === 0 ? [] : found(await run(link, inbox, findOwnFunctions(schema)))
    link.pause()
    if (inbox.waiting > 0) throw new Violation('the target sent more than was asked')
    return new PostgresUpstream({
      target: at.target,
      link,
      key,
      parameters,
      scope: there.scope,
      masks: there.masks,
      own: ownFunctions(versionOf(parameters.get('server_version'), numbered.rows), schema, own),
    })
  } catch (error) {
    link.destroy()
    return refusedBy(error)
  }
}

/** Until the server is ready for statements. While `signal` has not aborted, the link is the caller's to destroy. */
export async function logIn(at: Login): Promise<LoggedIn | Refused> {
  let link: Link | null = null
  try {
    link = await openLink(at.target, at.signal)
    const inbox = new Inbox(WAITING)
    link.reader = readInto(inbox)
    at.signal.addEventListener('abort', () => inbox.close(new Gone('the target did not answer in time')), {
      once: true,
    })
    link.resume()
    link.wire.write(startup(at))
    await authenticate(link, inbox, at)
    return { link, inbox, ...(await untilReady(inbox)) }
  } catch (error) {
    link?.destroy()
    return refusedBy(error)
  }
}

export function refusedBy(error: unknown): Refused {
  const detail = error instanceof Error ? error.message : String(error)
  if (error instanceof ServerSaidNo || error instanceof Violation) return refuse('upstream_refused', detail)
  return refuse('upstream_unreachable', detail)
}

function startup({ target, lease, settings }: Login): Buffer {
  const parameters = [['user', lease.user], ['database', target.database], ...settings]
  const text = Buffer.from(`${parameters.map(([name, value]) => `${name}\0${value}\0`).join('')}\0`)
  return Buffer.concat([int32(text.length + 8), int32(PROTOCOL_3_0), text])
}

async function authenticate(link: Link, inbox: Inbox, { lease, target }: Login): Promise<void> {
  const payload = await authentication(inbox)
  switch (payload.readUInt32BE(0)) {
    case 0:
      return
    case 3:
      // Attack 98, 222: a man in the middle asks for the password in clear. Only a verified server is told it.
      if (target.tls.mode !== 'verify-full') throw new Violation('the target asks for a cleartext password')
      link.wire.write(frame(PASSWORD, `${lease.password.revealLine()}\0`))
      break
    case 5:
      if (payload.length !== 8) throw new Violation('an md5 request has another length')
      link.wire.write(frame(PASSWORD, `${md5Answer(lease, payload.subarray(4))}\0`))
      break
    case 10:
      await scram(link, inbox, lease.password, payload)
      break
    default:
      throw new Violation(
        `the target asks for authentication method ${payload.readUInt32BE(0)}, which is not spoken here`,
      )
  }
  const done = await authentication(inbox)
  if (done.readUInt32BE(0) !== 0) throw new Violation('the target asks for a second authentication')
}

function md5Answer({ user, password }: Login['lease'], salt: Uint8Array): string {
  const md5 = (...pieces: readonly (string | Uint8Array)[]): string => {
    const hash = createHash('md5')
    for (const piece of pieces) hash.update(piece)
    return hash.digest('hex')
  }
  return `md5${md5(md5(password.revealLine(), user), salt)}`
}

async function scram(link: Link, inbox: Inbox, password: Secret, offer: Buffer): Promise<void> {
  const offered = offer.toString('latin1', 4).split('\0')
  const binding = bindingTo(link.endPoint, offered)
  if (!offered.includes(binding.mechanism))
    throw new Violation(`the target does not offer ${binding.mechanism}`)
  const nonce = randomBytes(18).toString('base64')
  const first = Buffer.from(`${binding.header}${clientBare(nonce)}`)
  link.wire.write(frame(PASSWORD, `${binding.mechanism}\0`, int32(first.length), first))
  const challenge = await authentication(inbox)
  if (challenge.readUInt32BE(0) !== 11) throw new Violation('the target broke off SCRAM')
  const final = await clientFinal(password.revealLine(), nonce, challenge.toString('latin1', 4), binding)
  if (final === null) throw new Violation("the target's SCRAM message is not acceptable")
  link.wire.write(frame(PASSWORD, final.message))
  const outcome = await authentication(inbox)
  // Without the server's proof anybody could be at the other end.
  if (outcome.readUInt32BE(0) !== 12 || outcome.toString('latin1', 4) !== final.expect) {
    throw new Violation('the target did not prove that it knows the password')
  }
}

async function authentication(inbox: Inbox): Promise<Buffer> {
  for (;;) {
    const { type, payload } = await inbox.frame(handshakeBounds)
    if (type === AUTHENTICATION) return payload
    if (type === ERROR) throw complaint(payload)
    if (type !== NOTICE) throw new Violation('an unexpected message instead of an authentication')
  }
}

async function untilReady(inbox: Inbox): Promise<Pick<LoggedIn, 'key' | 'parameters'>> {
  const parameters = new Map<string, string>()
  let key = Buffer.alloc(0)
  for (;;) {
    const { type, payload } = await inbox.frame(handshakeBounds)
    if (type === READY) return { key, parameters }
    if (type === ERROR) throw complaint(payload)
    if (type === BACKEND_KEY) key = Buffer.from(payload)
    else if (type === PARAMETER_STATUS) {
      const [name, value] = readParameter(payload)
      if (visibleParameter(name)) parameters.set(name, value)
      if (parameters.size > 64) throw new Violation('too many parameters')
    } else if (type !== NOTICE) throw new Violation('an unexpected message before the session was ready')
  }
}

function found({ rows, error }: Answer): Answer['rows'] {
  if (error !== null) throw new ServerSaidNo(`its functions could not be looked up: ${error}`)
  return rows
}

async function asThere(
  link: Link,
  inbox: Inbox,
  { scope, grant }: Pick<Dialling<PostgresTarget, RoleLease, PostgresScope>, 'scope' | 'grant'>,
): Promise<There | Refused> {
  if (!needsFamilies(scope)) return { scope, masks: new Map(), missing: [] }
  const answer = await run(link, inbox, findFamilies(scope))
  if (answer.error !== null)
    return refuse('upstream_refused', `the limited columns cannot be looked up: ${answer.error}`)
  const there = scopeThere(scope, answer.rows, grant.connection)
  // A mask on nothing masks nothing: better no session than one that shows what should be hidden.
  if (there.missing.length > 0)
    return refuse('upstream_refused', `masked columns do not exist: ${there.missing.join(', ')}`)
  return there
}

function complaint(payload: Buffer): ServerSaidNo {
  const fields = errorFields(payload)
  return new ServerSaidNo(`${fields.C ?? '?????'} ${fields.M ?? 'no message'}`)
}
