/**
 * The way to a host: connect, its pinned host key, the lease. The only file of the folder that sees a secret.
 *
 * The host is an enemy too: a key that is not the pinned one, a question instead of an answer (keyboard-interactive,
 * a password change) or silence ends the attempt; nothing is ever answered but with the one credential (attack 129).
 */
import { connect, type Socket } from 'node:net'
import { z } from 'zod'
import { filePath, secretRef } from '../../config/reference.ts'
import { type Refused, refuse } from '../../denial.ts'
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import type { Dialling } from '../protocol.ts'
import { pinned } from './identity.ts'
import { pinnedKey } from './knownhosts.ts'
import { msg } from './messages.ts'
import type { SshScope } from './scope.ts'
import { signatures, signerOf } from './signature.ts'
import { SshUpstream } from './upstream.ts'
import { Wire } from './wire.ts'

export const target = z
  .strictObject({
    host: z.string().min(1).max(255),
    port: z.int().min(1).max(65_535).default(22),
    host_key: z
      .string()
      .regex(
        /^[a-z0-9-]+ [A-Za-z0-9+/]+={0,2}$/,
        'the host key as "type base64", as ssh-keyscan or the host\'s .pub shows it',
      )
      .optional(),
    known_hosts: filePath.optional(),
  })
  .refine(said => (said.host_key === undefined) !== (said.known_hosts === undefined), {
    message: 'either host_key or known_hosts is needed: there is no trust on first use',
  })

export const lease = z.union([
  z.strictObject({ user: z.string().min(1).max(255), private_key: secretRef }),
  z.strictObject({ user: z.string().min(1).max(255), password: secretRef }),
])

export type SshTarget = z.output<typeof target>
export type SshLease = z.output<typeof lease>

const handshakeMillis = 10_000

export async function dial(
  dialling: Dialling<SshTarget, SshLease, SshScope>,
): Promise<SshUpstream | Refused> {
  const { host, port } = dialling.target
  const key = await pinnedKey(dialling.target)
  if (key === undefined)
    return refuse('upstream_unreachable', `no usable pinned host key for ${host}:${port}`)
  if (dialling.signal.aborted)
    return refuse('upstream_unreachable', 'the session ended before it was dialled')
  const socket = connect({ host, port, noDelay: true })
  const attempt = new Attempt(dialling, socket, key)
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

class Attempt {
  readonly outcome: Promise<SshUpstream | Refused>
  readonly #dialling: Dialling<SshTarget, SshLease, SshScope>
  readonly #wire: Wire
  readonly #upstream: SshUpstream
  #settle: (outcome: SshUpstream | Refused) => void = () => undefined
  #state: 'kex' | 'service' | 'auth' | 'done' = 'kex'

  constructor(dialling: Dialling<SshTarget, SshLease, SshScope>, socket: Socket, key: Uint8Array) {
    this.#dialling = dialling
    this.outcome = new Promise(resolve => {
      this.#settle = resolve
    })
    this.#wire = new Wire(socket, {
      role: { kind: 'client', trust: pinned(key) },
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
    this.#upstream = new SshUpstream(this.#wire)
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
      this.#settle(this.#upstream)
      return
    }
    if (this.#state === 'auth' && type === msg.userauthFailure) {
      const methods = new Reader(payload, 1).bytes().toString('latin1').slice(0, 200)
      this.refuse(`the host does not take the lease; it takes ${JSON.stringify(methods)}`, 'upstream_refused')
      return
    }
    if (this.#state === 'auth' && type === msg.userauth60) {
      this.refuse('the host asked a question instead of taking the lease', 'upstream_refused')
      return
    }
    throw new Malformed(`message ${type} during authentication`)
  }

  #authenticate(): void {
    const { lease: leased } = this.#dialling
    if ('password' in leased) {
      const secret = leased.password.revealLine()
      this.#wire.send(message(msg.userauthRequest, leased.user, 'ssh-connection', 'password', false, secret))
      return
    }
    const key = signerOf(leased.private_key.reveal())
    if (key === undefined) {
      this.refuse('the lease is not a private key that can be read (an encrypted one cannot)')
      return
    }
    const [algorithm = key.type] = signatures(key.type)
    const request = message(
      msg.userauthRequest,
      ...[leased.user, 'ssh-connection', 'publickey', true, algorithm, key.blob],
    )
    const covered = message(0, this.#wire.sessionId, { raw: request }).subarray(1)
    const signature = key.sign(algorithm, covered)
    this.#wire.send(Buffer.concat([request, message(0, signature).subarray(1)]))
  }
}
