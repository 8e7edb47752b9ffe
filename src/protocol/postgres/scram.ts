/**
 * SCRAM-SHA-256 (RFC 5802, RFC 7677), both sides, as pure steps. The server side checks against a verifier and never
 * sees a password; the client side proves the lease's password and demands that the server proves itself too.
 *
 * With a channel to bind to, SCRAM-SHA-256-PLUS is offered beside it; a client that says that it could bind but was not
 * offered to (`y`) has been told so by somebody in between, and is refused (attack 101).
 */
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import type { ScramVerifier } from '../../words.ts'

export const MECHANISM = 'SCRAM-SHA-256'
export const MECHANISM_PLUS = 'SCRAM-SHA-256-PLUS'

const hmac = (key: Uint8Array, text: string): Buffer => createHmac('sha256', key).update(text).digest()
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest()
const derive = promisify(pbkdf2)

/** Printable ASCII without the comma: RFC 5802's nonce. */
const NONCE = '[\\x21-\\x2b\\x2d-\\x7e]{8,512}'
/** A name where `=` stands only in `=2C` and `=3D`. It is not used: the startup packet's user counts. */
const NAME = '(?:[^=,\\0]|=2C|=3D){0,512}'
const BOUND = 'p=tls-server-end-point'
const FIRST = new RegExp(`^((n|y|${BOUND}),,)(n=${NAME},r=(${NONCE}))$`, 'u')
const FINAL = new RegExp(`^(c=([A-Za-z0-9+/=]{4,160}),r=(${NONCE})),p=([A-Za-z0-9+/]{43}=)$`)

/** What the server's side knows of the channel: what a client could be bound to, and what it chose. */
export interface Channel {
  readonly endPoint: Buffer | null
  readonly mechanism: string
}

export interface ServerStep {
  /** server-first-message. */
  readonly message: string
  readonly nonce: string
  /** What the client must repeat in `c=`. */
  readonly binding: string
  readonly clientBare: string
}

/** Answers the client's first message, or null where it is not one (authzid, extension, a binding that does not fit). */
export function serverFirst(
  clientFirst: string,
  verifier: ScramVerifier,
  nonce: string,
  { endPoint, mechanism }: Channel = { endPoint: null, mechanism: MECHANISM },
): ServerStep | null {
  const match = FIRST.exec(clientFirst)
  if (match === null) return null
  const [, header, flag, bare, clientNonce] = match as unknown as [string, string, string, string, string]
  const bound = flag === BOUND
  if (bound !== (mechanism === MECHANISM_PLUS) || (bound && endPoint === null)) return null
  if (flag === 'y' && endPoint !== null) return null
  const whole = clientNonce + nonce
  const salt = Buffer.from(verifier.salt).toString('base64')
  return {
    message: `r=${whole},s=${salt},i=${verifier.iterations}`,
    nonce: whole,
    binding: bindingOf({ header, data: bound ? endPoint : null }),
    clientBare: bare,
  }
}

/** Checks the client's proof. Returns the server's own for the client, or null where nothing was proven. */
export function serverFinal(step: ServerStep, clientFinal: string, verifier: ScramVerifier): string | null {
  const match = FINAL.exec(clientFinal)
  if (match === null) return null
  const [, withoutProof, binding, nonce, proof] = match as unknown as [string, string, string, string, string]
  const message = `${step.clientBare},${step.message},${withoutProof}`
  const signature = hmac(verifier.storedKey, message)
  const given = Buffer.from(proof, 'base64')
  const key = Buffer.alloc(32)
  for (let i = 0; i < 32; i++) key[i] = (given[i] ?? 0) ^ (signature[i] as number)
  // All three are computed before any is looked at: a stranger's decoy costs the same (attack 42).
  const proven = timingSafeEqual(sha256(key), Buffer.from(verifier.storedKey))
  const bound = binding === step.binding
  if (!proven || !bound || nonce !== step.nonce) return null
  return `v=${hmac(verifier.serverKey, message).toString('base64')}`
}

export interface ClientFinal {
  readonly message: string
  /** What the server must answer. */
  readonly expect: string
}

/** The client's side of the channel: its gs2-header, and what it binds to. */
export interface ClientBinding {
  readonly header: string
  readonly data: Buffer | null
}

const unbound: ClientBinding = { header: 'n,,', data: null }

/** Binds to the server's certificate where both can; says `y` where only we could. */
export function bindingTo(
  endPoint: Buffer | null,
  offered: readonly string[],
): ClientBinding & { readonly mechanism: string } {
  if (endPoint === null) return { ...unbound, mechanism: MECHANISM }
  if (offered.includes(MECHANISM_PLUS))
    return { header: `${BOUND},,`, data: endPoint, mechanism: MECHANISM_PLUS }
  return { header: 'y,,', data: null, mechanism: MECHANISM }
}

const bindingOf = ({ header, data }: ClientBinding): string =>
  Buffer.concat([Buffer.from(header), data ?? Buffer.alloc(0)]).toString('base64')

/** CVE-2026-42198: a server that names the rounds burns our CPU, one that names too few collects cheap guesses. */
const ROUNDS = { least: 4096, most: 600_000 }

export const clientBare = (nonce: string): string => `n=,r=${nonce}`

/** The client's last message for a server's first, or null where the server does not play by the rules. */
export async function clientFinal(
  password: string,
  nonce: string,
  serverFirst: string,
  binding: ClientBinding = unbound,
): Promise<ClientFinal | null> {
  const match = /^r=([\x21-\x2b\x2d-\x7e]{8,1024}),s=([A-Za-z0-9+/]{4,512}={0,2}),i=([1-9][0-9]{0,9})$/.exec(
    serverFirst,
  )
  if (match === null) return null
  const [, whole, salt, rounds] = match as unknown as [string, string, string, string]
  const iterations = Number(rounds)
  if (!whole.startsWith(nonce) || whole.length === nonce.length) return null
  if (iterations < ROUNDS.least || iterations > ROUNDS.most) return null
  const salted = await derive(
    password.normalize('NFKC'),
    Buffer.from(salt, 'base64'),
    iterations,
    32,
    'sha256',
  )
  const clientKey = hmac(salted, 'Client Key')
  const withoutProof = `c=${bindingOf(binding)},r=${whole}`
  const message = `${clientBare(nonce)},${serverFirst},${withoutProof}`
  const signature = hmac(sha256(clientKey), message)
  for (let i = 0; i < 32; i++) clientKey[i] = (clientKey[i] as number) ^ (signature[i] as number)
  const expect = `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`
  return { message: `${withoutProof},p=${clientKey.toString('base64')}`, expect }
}
