/**
 * The packets a client may open with: they have no type byte. Pure.
 *
 * Parameters are an allow-list: `options` (but for one word of our own), `replication` and `search_path` would let a client set the very session
 * settings that hold its scope (attack 99, CVE-2025-12819).
 */
import { endOfString, frame, int32, NEGOTIATE, Violation } from './wire.ts'

const SSL_REQUEST = 80877103
const GSS_REQUEST = 80877104
const CANCEL_REQUEST = 80877102

/** The newest protocol spoken here: 3.2. */
const NEWEST = 196610
export const MAX_STARTUP = 10_000

export type Opening =
  | { readonly kind: 'ssl' }
  | { readonly kind: 'gss' }
  | { readonly kind: 'cancel'; readonly key: Buffer }
  | { readonly kind: 'startup'; readonly startup: Startup }

export interface Startup {
  readonly user: string
  readonly database: string
  readonly applicationName: string
  /** Settings for the upstream session, checked: name and value are safe to stand in a SET. */
  readonly settings: readonly (readonly [string, string])[]
  /** It asks for OAUTHBEARER where a token may be shown: a client cannot say so otherwise, and most know the password only. */
  readonly oauth: boolean
  /** To be sent before authentication, where the client asked for more than is spoken here. */
  readonly negotiate: Buffer | null
}

/** A startup packet that is understood and refused, with the SQLSTATE a server would give. */
export class StartupRefused extends Error {
  readonly sqlstate: string
  constructor(sqlstate: string, message: string) {
    super(message)
    this.name = 'StartupRefused'
    this.sqlstate = sqlstate
  }
}

/** Reads one opening packet; `packet` is all of it, length field included. */
export function readOpening(packet: Buffer): Opening {
  const code = packet.readUInt32BE(4)
  if (code === SSL_REQUEST || code === GSS_REQUEST) {
    if (packet.length !== 8) throw new Violation('an encryption request has another length')
    return { kind: code === SSL_REQUEST ? 'ssl' : 'gss' }
  }
  if (code === CANCEL_REQUEST) {
    if (packet.length < 16 || packet.length > 268) throw new Violation('a cancel request has another length')
    return { kind: 'cancel', key: packet.subarray(8) }
  }
  return { kind: 'startup', startup: readStartup(packet, code) }
}

/** Checks of the settings a driver may choose for itself. Nothing that could close a quote passes. */
const settings: ReadonlyMap<string, { readonly set: string; readonly allowed: RegExp }> = new Map([
  ['datestyle', { set: 'DateStyle', allowed: /^[A-Za-z][A-Za-z, ]{0,31}$/ }],
  ['timezone', { set: 'TimeZone', allowed: /^[A-Za-z0-9_+\-/:<>., ]{1,64}$/ }],
  ['extra_float_digits', { set: 'extra_float_digits', allowed: /^-?[0-9]{1,2}$/ }],
  ['intervalstyle', { set: 'IntervalStyle', allowed: /^[a-z_]{1,20}$/ }],
])

/** Encodings that leave the bytes as they are. The statement that is judged must be the one the server reads (attack 81). */
const encodings = /^'?(utf-?8|unicode|sql_ascii|auto)'?$/i

/** `options=-c postern.login=oauth`. */
const asksOAuth = /^\s*(-c\s*|--)postern\.login=oauth\s*$/

function readStartup(packet: Buffer, code: number): Startup {
  const major = code >>> 16
  if (major !== 3)
    throw new StartupRefused('0A000', `unsupported frontend protocol ${major}.${code & 0xffff}`)
  const given = readParameters(packet)
  const unknown: string[] = []
  const chosen: [string, string][] = []
  let oauth = false
  for (const [name, value] of given) {
    if (name === 'options' && asksOAuth.test(value)) {
      oauth = true
      continue
    }
    if (name.startsWith('_pq_.')) {
      unknown.push(name)
      continue
    }
    if (name === 'user' || name === 'database' || name === 'application_name') continue
    if (name === 'client_encoding') {
      if (!encodings.test(value)) throw new StartupRefused('0A000', 'client_encoding must be UTF8 here')
      continue
    }
    const setting = settings.get(name.toLowerCase())
    if (setting === undefined)
      throw new StartupRefused('42501', `startup parameter "${printable(name)}" is not permitted`)
    if (!setting.allowed.test(value))
      throw new StartupRefused('22023', `invalid value for parameter "${setting.set}"`)
    chosen.push([setting.set, value])
  }
  const user = given.get('user')
  if (user === undefined || user === '')
    throw new StartupRefused('28000', 'no user name in the startup packet')
  return {
    user,
    database: given.get('database') ?? user,
    applicationName: printable(given.get('application_name') ?? ''),
    settings: chosen,
    oauth,
    // Never newer than what was asked for: libpq takes that for an attack.
    negotiate: code > NEWEST || unknown.length > 0 ? negotiation(Math.min(code, NEWEST), unknown) : null,
  }
}

function readParameters(packet: Buffer): Map<string, string> {
  const given = new Map<string, string>()
  let at = 8
  const last = packet.length - 1
  while (at < last) {
    const nameEnd = endOfString(packet, at, last)
    const valueEnd = endOfString(packet, nameEnd + 1, last)
    const name = packet.toString('utf8', at, nameEnd)
    // A second `user` would let one part of the gateway judge what another part does not use (attack 99).
    if (given.has(name)) throw new Violation('a startup parameter is given twice')
    if (given.size >= 32) throw new Violation('too many startup parameters')
    if (valueEnd - nameEnd > 1024) throw new Violation('a startup parameter is too long')
    given.set(name, packet.toString('utf8', nameEnd + 1, valueEnd))
    at = valueEnd + 1
  }
  if (at !== last || packet[last] !== 0) throw new Violation('the startup packet has no end')
  return given
}

/** NegotiateProtocolVersion: the version that is spoken and every `_pq_.` option we do not (libpq 19 probes with 3.9999). */
function negotiation(version: number, unknown: readonly string[]): Buffer {
  return frame(NEGOTIATE, int32(version), int32(unknown.length), ...unknown.map(name => `${name}\0`))
}

function printable(text: string): string {
  return text.slice(0, 64).replace(/[^\x20-\x7e]/g, '?')
}
