/**
 * The client's way in: service, then authentication up to the credential it shows. Decides nothing: what was shown goes
 * to the door, which answers with a session or a refusal.
 *
 * Only authentication messages may come before it has succeeded (attack 124, CVE-2025-32433). The user name is fixed by
 * the first try (attack 123). A key that is merely offered changes nothing (GHSA-3cjp): the key that goes to the door is
 * the one whose signature was verified, taken from the very bytes that were signed (CVE-2024-45337).
 */
import { timingSafeEqual } from 'node:crypto'
import { type Code, denials, Refused, refuse, sayOf } from '../../denial.ts'
import { endings } from '../../ending.ts'
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import type { Door, Session, Shown } from '../protocol.ts'
import { certified } from './authority.ts'
import { certificateAlgorithms, plainAlgorithm } from './certificate.ts'
import { disconnectReason, msg } from './messages.ts'
import type { SshScope } from './scope.ts'
import { isSignedBy, keyTypes, publicKeyOf, signatures } from './signature.ts'
import type { SshUpstream } from './upstream.ts'
import type { Wire } from './wire.ts'

type SshSession = Session<SshScope, SshUpstream>

/** Failed tries a connection gets; an agent with a ring of keys offers each of them first. */
const tries = 10
const maxUserBytes = 255
/** A token shown as a password may be long (DESIGN.md section 6), a password never is. */
const maxSecretBytes = 16_384
const methods = 'publickey,keyboard-interactive,password'
/** As much of a typed or askpass password as OpenSSH's client sends: what is longer arrives cut, just as long as this. */
const cutBytes = 1023
const signatureAlgorithms = keyTypes.flatMap(signatures)
const keyAlgorithms = [...signatureAlgorithms, ...keyTypes.flatMap(certificateAlgorithms)]

export interface GreetingAt {
  readonly wire: Wire
  readonly door: Door<SshScope, SshUpstream>
  readonly source: string
  /** Whose certificates open grants: a bare key. */
  readonly authority: Uint8Array | undefined
  readonly now: () => number
  /** A fault of ours: whoever serves us writes it down. */
  readonly failed: (fault: unknown) => void
}

/** One request at a time: what arrives while the door thinks waits here, at most this many. */
const maxWaiting = 4

export class Greeting {
  readonly #at: GreetingAt
  readonly #wire: Wire
  readonly #door: Door<SshScope, SshUpstream>
  readonly #entered: (session: SshSession | undefined) => void
  #services = 0
  #user: string | undefined
  #failures = 0
  #busy = false
  #over = false
  #inside = false
  /** The one question has been asked and not been answered yet. */
  #asking = false
  readonly #waiting: Buffer[] = []

  /** `entered` is called in the turn in which success is told; without a session where the client left while the door thought. */
  constructor(at: GreetingAt, entered: (session?: SshSession) => void) {
    this.#at = at
    this.#wire = at.wire
    this.#door = at.door
    this.#entered = entered
  }

  /** The door is thinking: the outcome is told even if the client is gone. */
  get busy(): boolean {
    return this.#busy
  }

  ready(): void {
    if (this.#wire.wantsExtInfo)
      this.#wire.send(message(msg.extInfo, 1, 'server-sig-algs', signatureAlgorithms.join(',')))
  }

  onMessage(type: number, payload: Buffer): void {
    if (this.#over) return
    if (type === msg.extInfo) return
    if (type === msg.serviceRequest) {
      // Some clients ask again before each try.
      if (new Reader(payload, 1).text() !== 'ssh-userauth' || ++this.#services > tries)
        throw new Malformed('service')
      this.#wire.send(message(msg.serviceAccept, 'ssh-userauth'))
      return
    }
    if ((type !== msg.userauthRequest && type !== msg.userauthInfoResponse) || this.#services === 0)
      throw new Malformed(`message ${type} before authentication`)
    if (this.#waiting.length >= maxWaiting) throw new Malformed('too many authentication requests at once')
    this.#waiting.push(Buffer.from(payload))
    if (!this.#busy) void this.#work()
  }

  async #work(): Promise<void> {
    this.#busy = true
    try {
      for (let next = this.#waiting.shift(); next !== undefined && !this.#over; next = this.#waiting.shift())
        await this.#request(next)
    } catch (error) {
      this.#over = true
      if (error instanceof Malformed) {
        this.#wire.fail(error)
      } else {
        this.#wire.disconnect(disconnectReason.byApplication, endings.failed.text)
        this.#at.failed(error)
      }
    }
    this.#busy = false
    if (this.#wire.ended && !this.#inside) this.#entered(undefined)
  }

  async #request(payload: Buffer): Promise<void> {
    if (payload[0] === msg.userauthInfoResponse) {
      await this.#enter(this.#answered(payload))
      return
    }
    // Whoever asks for another method has given up the one before.
    this.#asking = false
    const fields = new Reader(payload, 1)
    const user = fields.text()
    const service = fields.text()
    const method = fields.text()
    if (service !== 'ssh-connection') throw new Malformed('service')
    if (Buffer.byteLength(user) > maxUserBytes) throw new Malformed('user name')
    this.#user ??= user
    if (user !== this.#user) {
      this.#door.note(refuse('protocol_violation', 'the user name changed between two tries'), this.#user)
      this.#end(disconnectReason.protocolError, 'the user name may not change')
      return
    }
    const shown = await this.#shown(user, method, fields, payload)
    // The client has gone while the door was thinking: nothing is opened for it.
    if (this.#wire.ended) return
    if (shown === 'offered') return
    if (shown === 'failed') {
      this.#fail(method === 'none')
      return
    }
    await this.#enter(shown)
  }

  async #enter(shown: Shown | 'failed'): Promise<void> {
    if (shown === 'failed') {
      this.#fail(false)
      return
    }
    const session = await this.#door.enter(shown)
    if (session instanceof Refused) {
      this.#refused(session, shown)
      return
    }
    this.#over = true
    this.#inside = true
    this.#wire.admit()
    if (!this.#wire.ended) this.#wire.send(message(msg.userauthSuccess))
    this.#entered(session)
  }

  async #shown(
    user: string,
    method: string,
    fields: Reader,
    payload: Buffer,
  ): Promise<Shown | 'offered' | 'failed'> {
    if (method === 'password') {
      if (fields.bool()) return 'failed'
      const secret = fields.text()
      fields.end()
      if (secret === '' || Buffer.byteLength(secret) > maxSecretBytes) return 'failed'
      return { how: 'secret', user, secret }
    }
    if (method === 'publickey') return this.#key(user, fields, payload)
    if (method !== 'keyboard-interactive') return 'failed'
    this.#asking = true
    this.#wire.send(message(msg.userauth60, '', '', '', 1, 'Password or token: ', false))
    return 'offered'
  }

  #answered(payload: Buffer): Shown | 'failed' {
    // Answers to what nobody asked (CVE-2026-48107: how many there are, their sender decides).
    if (!this.#asking || this.#user === undefined) throw new Malformed('an answer without a question')
    this.#asking = false
    const fields = new Reader(payload, 1)
    if (fields.u32() !== 1) throw new Malformed('one answer was asked for')
    const secret = fields.text()
    fields.end()
    if (secret === '' || Buffer.byteLength(secret) > maxSecretBytes) return 'failed'
    return { how: 'secret', user: this.#user, secret }
  }

  async #key(user: string, fields: Reader, payload: Buffer): Promise<Shown | 'offered' | 'failed'> {
    const signed = fields.bool()
    const algorithm = fields.text()
    const blob = fields.bytes()
    const signedEnd = fields.at
    if (!keyAlgorithms.includes(algorithm) || blob.length > 16_384) return 'failed'
    const signing = plainAlgorithm(algorithm)
    const key = signing === undefined ? blob : this.#certified(user, blob)
    if (key === undefined) return 'failed'
    const type = new Reader(key).text()
    const matches = (of: string) => (signing === undefined ? signatures(of) : certificateAlgorithms(of))
    if (!matches(type).includes(algorithm)) return 'failed'
    const signature = signed ? fields.bytes() : undefined
    fields.end()
    // Looked for first and verified then: by a key that it made up anybody could have verified what takes long. It tells
    // no more than a mere offer does, and its time no more than the answer (attack 42).
    const { publicKeys } = await this.#door.proof(user)
    if (!publicKeys.some(one => same(one, key))) {
      if (signed) this.#door.note(refuse('grant_unknown', 'not the key of a grant of this name'), user)
      return 'failed'
    }
    if (signature === undefined) {
      this.#wire.send(message(msg.userauth60, algorithm, blob))
      return 'offered'
    }
    // What was signed: this connection's id and this very request, so that no signature can be used twice.
    const covered = message(0, this.#wire.sessionId, { raw: payload.subarray(0, signedEnd) }).subarray(1)
    if (!isSignedBy(publicKeyOf(key), signing ?? algorithm, covered, signature)) {
      this.#door.note(refuse('grant_unknown', 'a signature that does not verify'), user)
      return 'failed'
    }
    return { how: 'key', user, key }
  }

  #certified(user: string, blob: Uint8Array): Uint8Array | undefined {
    const { authority, source, now } = this.#at
    const key = certified(blob, { authority, user, source, now: now() })
    if (!(key instanceof Refused)) return key
    this.#door.note(key, user)
    return undefined
  }

  #refused(refused: Refused, shown: Shown): void {
    const { code } = refused.denial
    if (!told(code)) {
      // Whatever is no grant's name may be a connection's: nobody learns from this whether it is (attack 42).
      if (
        shown.how === 'secret' &&
        Buffer.byteLength(shown.secret) === cutBytes &&
        !shown.user.startsWith('g_')
      )
        this.#banner('postern: token cut by your ssh client; use postern connect')
      this.#fail(false)
      return
    }
    const text = `postern: ${code}: ${sayOf(refused.denial)}`
    this.#banner(text)
    this.#end(disconnectReason.byApplication, text)
  }

  #banner(text: string): void {
    this.#wire.send(message(msg.userauthBanner, `${text}\r\n`, ''))
  }

  #fail(free: boolean): void {
    if (!free && ++this.#failures >= tries) {
      this.#door.note(refuse('limit_exceeded', `${tries} failed tries on one connection`), this.#user)
      this.#end(disconnectReason.noMoreAuthMethods, 'too many failed tries')
      return
    }
    this.#wire.send(message(msg.userauthFailure, methods, false))
  }

  #end(reason: number, why: string): void {
    this.#over = true
    this.#wire.disconnect(reason, why)
  }
}

/**
 * Refusals that come after the credential was found good are told with their reason. The others (401, 404, 400) all
 * look like a wrong password, so that nobody learns which grants exist (attack 42).
 */
function told(code: Code): boolean {
  const { http } = denials[code]
  return http !== 401 && http !== 404 && http !== 400
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}
