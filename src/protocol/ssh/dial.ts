/**
 * The way to a host: connect, its host key or that of its authority, the lease. The only file of the folder that sees a secret.
 *
 * The host is an enemy too: a key that is not the pinned one, a question that the lease does not foresee, a
 * password change or silence ends the attempt; nothing is ever answered but with the one credential (attack 129).
 */
import { connect, type Socket } from 'node:net'
import { z } from 'zod'
import { filePath, secretRef } from '../../config/reference.ts'
import { type Refused, refuse } from '../../denial.ts'
import { type Field, Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import type { Dialling } from '../protocol.ts'
import { intoShared } from '../reads.ts'
import { certificateType } from './certificate.ts'
import type { HostTrust } from './exchange.ts'
import { certifiedBy, pinned } from './identity.ts'
import { pinnedKey } from './knownhosts.ts'
import { msg } from './messages.ts'
import { mint } from './minted.ts'
import type { SshScope } from './scope.ts'
import { publicKeyOf, type Signer, signatures, signerOf } from './signature.ts'
import { SshUpstream } from './upstream.ts'
import { readBuffer, Wire } from './wire.ts'

const key = z
  .string()
  .regex(
    /^[a-z0-9-]+ [A-Za-z0-9+/]+={0,2}$/,
    'the key as "type base64", as ssh-keyscan or a .pub file shows it',
  )

export const target = z
  .strictObject({
    host: z.string().min(1).max(255),
    port: z.int().min(1).max(65_535).default(22),
    /** False where the account runs one command whatever is asked, or the host opens no second channel. */
    guardian: z.boolean().default(true),
    host_key: key.optional(),
    known_hosts: filePath.optional(),
    /** The authority that certifies the host's key for the name in `host`. */
    host_ca: key.optional(),
  })
  .refine(
    ({ host_key, known_hosts, host_ca }) =>
      [host_key, known_hosts, host_ca].filter(said => said !== undefined).length === 1,
    { message: 'one of host_key, known_hosts and host_ca is needed: there is no trust on first use' },
  )

const user = z.string().min(1).max(255)

export const lease = z.union([
  z.strictObject({ user, private_key: secretRef, passphrase: secretRef.optional() }),
  z.strictObject({
    user,
    password: secretRef,
    /** The host asks for it instead of taking it: one hidden question is answered. */
    keyboard_interactive: z.boolean().optional(),
  }),
  z.strictObject({
    // A certificate's principal: nothing that anything could take for two (CVE-2026-35414).
    user: user.regex(/^[^\s,]+$/, 'an account without spaces or commas'),
    ca_key: secretRef,
    passphrase: secretRef.optional(),
  }),
])

export type SshTarget = z.output<typeof target>
export type SshLease = z.output<typeof lease>

const handshakeMillis = 10_000

export async function dial(
  dialling: Dialling<SshTarget, SshLease, SshScope>,
): Promise<SshUpstream | Refused> {
  const { host, port } = dialling.target
  const trust = await trustIn(dialling.target)
  if (trust === undefined)
    return refuse('upstream_unreachable', `no usable pinned host key for ${host}:${port}`)
  if (dialling.signal.aborted)
    return refuse('upstream_unreachable', 'the session ended before it was dialled')
  const onread = intoShared(readBuffer, chunk => attempt.take(chunk))
  const socket = connect({ host, port, noDelay: true, onread })
  const attempt: Attempt = new Attempt(dialling, socket, trust)
  const timer = setTimeout(
    () => attempt.refuse('the host did not finish its handshake in 10 s'),
    handshakeMillis,
  )
  const abort = () => attempt.refuse('the session ended while it was dialled')
  dialling.signal.addEventListener('abort', abort, { once: true })
  try {
    return await attempt.outcome
  } finally {
    clearTimeout(timer)
    dialling.signal.removeEventListener('abort', abort)
  }
}

async function trustIn(at: SshTarget): Promise<HostTrust | undefined> {
  const { host, host_ca } = at
  const blob =
    host_ca === undefined ? await pinnedKey(at) : Buffer.from(host_ca.split(' ')[1] ?? '', 'base64')
  if (blob === undefined) return undefined
  try {
    // A certificate is no authority: publicKeyOf takes bare keys alone (CVE-2025-49825).
    publicKeyOf(blob)
    if (host_ca !== undefined) return certifiedBy(blob, host, Date.now)
    return pinned(blob, at.host_key === undefined ? 'target.known_hosts' : 'target.host_key')
  } catch (error) {
    if (error instanceof Malformed) return undefined
    throw error
  }
}

class Attempt {
  readonly outcome: Promise<SshUpstream | Refused>
  readonly #dialling: Dialling<SshTarget, SshLease, SshScope>
  readonly #wire: Wire
  readonly #upstream: SshUpstream
  #settle: (outcome: SshUpstream | Refused) => void = () => undefined
  #state: 'kex' | 'service' | 'auth' | 'done' = 'kex'
  #asked = 0
  #answered = false

  constructor(dialling: Dialling<SshTarget, SshLease, SshScope>, socket: Socket, trust: HostTrust) {
    this.#dialling = dialling
    this.outcome = new Promise(resolve => {
      this.#settle = resolve
    })
    this.#wire = new Wire(socket, {
      role: { kind: 'client', trust },
      onReady: () => {
        this.#state = 'service'
        this.#wire.send(message(msg.serviceRequest, 'ssh-userauth'))
      },
      onMessage: (type, payload) =>
        this.#state === 'done' ? this.#upstream.onMessage(type, payload) : this.#message(type, payload),
      onTurn: () => this.#upstream.onTurn(),
      onDrain: () => this.#upstream.onDrain(),
      onEnd: error => {
        if (this.#state === 'done') this.#upstream.onEnd(error)
        else this.refuse(error === undefined ? 'the host closed the connection' : error.message)
      },
    })
    this.#upstream = new SshUpstream(this.#wire, dialling.target.guardian)
  }

  take(chunk: Buffer): void {
    this.#wire.take(chunk)
  }

  /** Nothing stays open behind a refusal. */
  refuse(why: string, code: 'upstream_unreachable' | 'upstream_refused' = 'upstream_unreachable'): void {
    if (this.#state === 'done') return
    this.#state = 'done'
    this.#wire.destroy()
    const { host, port } = this.#dialling.target
    this.#settle(refuse(code, `${host}:${port}: ${why}`))
  }

  #message(type: number, payload: Buffer): void {
    if (type === msg.extInfo || type === msg.userauthBanner) return
    if (this.#state === 'service' && type === msg.serviceAccept) {
      this.#state = 'auth'
      this.#authenticate()
      return
    }
    if (this.#state === 'auth' && type === msg.userauthSuccess) {
      this.#state = 'done'
      this.#wire.admit()
      this.#settle(this.#upstream)
      return
    }
    if (this.#state === 'auth' && type === msg.userauthFailure) {
      const methods = new Reader(payload, 1).bytes().toString('latin1').slice(0, 200)
      this.refuse(`the host does not take the lease; it takes ${JSON.stringify(methods)}`, 'upstream_refused')
      return
    }
    if (this.#state === 'auth' && type === msg.userauth60) {
      this.#question(payload)
      return
    }
    throw new Malformed(`message ${type} during authentication`)
  }

  #authenticate(): void {
    const { lease: leased, grant, session, scope } = this.#dialling
    if ('password' in leased) {
      const method = leased.keyboard_interactive === true
      if (method) this.#ask(leased.user, 'keyboard-interactive', '', '')
      else this.#ask(leased.user, 'password', false, leased.password.revealLine())
      return
    }
    const secret = 'ca_key' in leased ? leased.ca_key : leased.private_key
    const signer = signerOf(secret.reveal(), leased.passphrase?.revealLine())
    if (signer === undefined) {
      const why =
        leased.passphrase === undefined
          ? 'an encrypted one needs its passphrase'
          : 'or its passphrase is wrong'
      this.refuse(`the lease is not a private key that can be read (${why})`)
      return
    }
    if ('private_key' in leased) {
      const [algorithm = signer.type] = signatures(signer.type)
      this.#sign(leased.user, signer, algorithm, algorithm, signer.blob)
      return
    }
    const now = Date.now()
    const { guardian } = this.#dialling.target
    const minted = mint({ authority: signer, user: leased.user, grant, session, scope, guardian, now })
    const { type } = minted.key
    this.#sign(leased.user, minted.key, type, certificateType(type), minted.certificate)
  }

  #ask(account: string, method: string, ...fields: readonly Field[]): void {
    this.#wire.send(message(msg.userauthRequest, account, 'ssh-connection', method, ...fields))
  }

  #sign(account: string, signer: Signer, algorithm: string, name: string, shown: Buffer): void {
    const request = message(msg.userauthRequest, account, 'ssh-connection', 'publickey', true, name, shown)
    const covered = message(0, this.#wire.sessionId, { raw: request }).subarray(1)
    const signature = message(0, signer.sign(algorithm, covered)).subarray(1)
    this.#wire.send(Buffer.concat([request, signature]))
  }

  /** One hidden question is answered, once, and only where the lease says that the host asks (attack 129). */
  #question(payload: Buffer): void {
    const { lease: leased } = this.#dialling
    if (!('password' in leased) || leased.keyboard_interactive !== true) {
      this.refuse('the host asked a question instead of taking the lease', 'upstream_refused')
      return
    }
    const fields = new Reader(payload, 1)
    for (let text = 0; text < 3; text++) fields.bytes()
    const count = fields.u32()
    // Some end the conversation with a word and no question.
    if (count === 0 && ++this.#asked < 4) {
      this.#wire.send(message(msg.userauthInfoResponse, 0))
      return
    }
    if (count !== 1 || this.#answered) {
      this.refuse('the host asked more than one question', 'upstream_refused')
      return
    }
    fields.bytes()
    if (fields.bool()) {
      this.refuse('the host asked for something that it would show', 'upstream_refused')
      return
    }
    this.#answered = true
    this.#wire.send(message(msg.userauthInfoResponse, 1, leased.password.revealLine()))
  }
}
