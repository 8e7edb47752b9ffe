/**
 * A client's handshake, up to the credential it presents. Decides nothing: the door does.
 *
 * Encryption first (SSLRequest, direct TLS; GSS never), then the startup packet, then `authenticate.ts`.
 */
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Refused, refuse } from '../../denial.ts'
import type { Client, Door, Shown } from '../protocol.ts'
import { byEvents, type ReadBy, takeOver } from '../reads.ts'
import { authenticate, failBearer } from './authenticate.ts'
import { endPointOf } from './binding.ts'
import { fill, Gone, Inbox } from './inbox.ts'
import { fatal } from './refuse.ts'
import { MAX_STARTUP, type Opening, readOpening, type Startup, StartupRefused } from './startup.ts'
import { encrypt, isDirectTls } from './tls.ts'
import { Violation } from './wire.ts'

/** Attack 190: whoever has not shown a credential by then is gone. */
const LOGIN_GRACE = 30_000
const WAITING = 80 * 1024
/** A client whose token was refused may say one byte more, and not take its time. */
const LAST_WORD = 5000

export interface Greeted {
  /** Decrypted, paused, nobody listening. */
  readonly wire: Duplex
  /** How to read from it, once it is resumed. */
  readonly readBy: ReadBy
  readonly startup: Startup
  readonly shown: Shown
  /** What OAUTHBEARER tells a client whose token is refused. */
  readonly challenge: string | null
  /** Bytes that came early. */
  readonly rest: Buffer
}

type Streamed = Client & { readonly kind: 'stream' }
type Doorway = Pick<Door<unknown, unknown>, 'proof' | 'cancel' | 'note' | 'signal'>

/** Null when there is nothing more to do: cancelled, refused, gone. The socket is then closing. */
export async function greet(client: Streamed, door: Doorway, grace = LOGIN_GRACE): Promise<Greeted | null> {
  const conversation = new Conversation(client)
  const late = setTimeout(() => conversation.close(new Gone('the login took too long')), grace)
  const drained = (): void => conversation.close(new Gone('the gateway is shutting down'))
  door.signal.addEventListener('abort', drained, { once: true })
  try {
    const startup = await open(conversation, client, door)
    if (startup === null) return null
    const authenticated = await authenticate(
      {
        inbox: conversation.inbox,
        endPoint: conversation.endPoint,
        private: conversation.secure || client.keys.loopback,
        send: (...frames) => conversation.send(...frames),
        finish: words => conversation.finish(words),
      },
      startup,
      door,
    )
    if (authenticated === null) return null
    const { wire, readBy } = conversation
    return { wire, readBy, startup, ...authenticated, rest: conversation.leave() }
  } catch (error) {
    conversation.finish(lastWords(error, door))
    return null
  } finally {
    clearTimeout(late)
    door.signal.removeEventListener('abort', drained)
  }
}

/** Ends OAUTHBEARER for a client whose token the door has refused; gives what it is told last, null where it is gone. */
export async function refuseBearer(
  { wire, rest, challenge }: Pick<Greeted, 'wire' | 'rest' | 'challenge'>,
  told: Buffer,
  door: Doorway,
): Promise<Buffer | null> {
  if (challenge === null) return told
  const inbox = new Inbox(WAITING)
  inbox.feed(rest)
  const stop = fill(inbox, wire)
  const late = setTimeout(() => inbox.close(new Gone('the login took too long')), LAST_WORD)
  wire.resume()
  try {
    await failBearer({ inbox, send: frame => wire.write(frame) }, challenge)
    return told
  } catch (error) {
    return lastWords(error, door)
  } finally {
    clearTimeout(late)
    stop()
  }
}

/** The wire as it is now: plaintext first, then perhaps TLS. */
class Conversation {
  wire: Duplex
  readBy: ReadBy
  inbox = new Inbox(WAITING)
  secure = false
  endPoint: Buffer | null = null
  readonly #socket: Socket
  #stop: () => void

  constructor(client: Streamed) {
    const { socket, readBy } = takeOver(client.socket)
    this.#socket = socket
    this.wire = socket
    this.readBy = readBy
    this.wire.on('error', () => this.close(new Gone('the connection failed')))
    this.#stop = fill(this.inbox, this.wire)
  }

  /** Whoever reads, now or later, gets this error. */
  close(why: Error): void {
    this.inbox.close(why)
  }

  async toTls(client: Streamed, direct: boolean): Promise<void> {
    const early = this.leave()
    // CVE-2021-23222, attack 100: what came in clear before the switch must never be read as if it had come inside.
    if (!direct && (early.length > 0 || this.#socket.readableLength > 0)) {
      throw new Violation('bytes came in clear after the request for TLS')
    }
    if (direct) this.#socket.unshift(early)
    else this.#socket.write('S')
    this.inbox = new Inbox(WAITING)
    const secure = await encrypt(this.#socket, client.keys.tls, direct, LOGIN_GRACE)
    this.endPoint = endPointOf(secure.getX509Certificate())
    this.wire = secure
    this.readBy = byEvents(secure)
    this.wire.on('error', () => this.close(new Gone('the connection failed')))
    this.#stop = fill(this.inbox, this.wire)
    this.secure = true
  }

  send(...frames: readonly Buffer[]): void {
    this.wire.write(Buffer.concat(frames))
  }

  /** Stops reading; gives what was left unread. */
  leave(): Buffer {
    this.#stop()
    return this.inbox.rest()
  }

  finish(words: Buffer | null): void {
    this.#stop()
    if (words === null) {
      this.wire.destroy()
      return
    }
    this.wire.end(words, () => this.wire.destroy())
    // A client that does not read its goodbye loses it.
    setTimeout(() => this.wire.destroy(), 1000).unref()
  }
}

async function open(conversation: Conversation, client: Streamed, door: Doorway): Promise<Startup | null> {
  if (isDirectTls(await conversation.inbox.peek())) await conversation.toTls(client, true)
  // At most: GSS refused, TLS taken, startup. A client that asks again is not a client.
  const asked = new Set<Opening['kind']>()
  for (;;) {
    const opening = await readPacket(conversation.inbox)
    if (asked.has(opening.kind)) throw new Violation('encryption was asked for twice')
    asked.add(opening.kind)
    switch (opening.kind) {
      case 'cancel':
        // Clients take the end of this connection for the server's word that it is done, and ask on: closed earlier, it would be
        // their next statement that is cancelled. And inside TLS they want it closed as such.
        await door.cancel(opening.key)
        conversation.finish(Buffer.alloc(0))
        return null
      case 'gss':
        if (conversation.secure) throw new Violation('GSS was asked for inside TLS')
        conversation.send(Buffer.from('N'))
        break
      case 'ssl':
        if (conversation.secure) throw new Violation('TLS was asked for inside TLS')
        await conversation.toTls(client, false)
        break
      case 'startup':
        if (!conversation.secure && !client.keys.plaintext) {
          throw new StartupRefused(
            '28000',
            'this door takes TLS only: connect with sslmode=require or better',
          )
        }
        return opening.startup
    }
  }
}

async function readPacket(inbox: Inbox): Promise<Opening> {
  const head = await inbox.take(4)
  const length = head.readUInt32BE(0)
  if (length < 8 || length > MAX_STARTUP) throw new Violation(`a startup packet has a length of ${length}`)
  return readOpening(Buffer.concat([head, await inbox.take(length - 4)]))
}

function lastWords(error: unknown, door: Doorway): Buffer | null {
  if (error instanceof Gone) return fatal('57P01', error.message)
  if (error instanceof StartupRefused) {
    door.note(refuse('request_invalid', error.message))
    return fatal(error.sqlstate, error.message)
  }
  const denied: Refused =
    error instanceof Violation
      ? refuse('protocol_violation', error.message)
      : refuse('internal_error', `the handshake failed: ${String(error)}`)
  door.note(denied)
  return fatal('08P01', error instanceof Violation ? error.message : 'the handshake failed')
}
