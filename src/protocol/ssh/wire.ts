/**
 * The adapter to ssh2's transport: key exchange, ciphers and framing are the library's; every message after the key
 * exchange is ours, as plain payloads. Its connection layer is not used: it does not hold a peer to the window that it
 * was given (mscdex/ssh2 #1505), sends no text with DISCONNECT, and takes messages in states where none may come.
 *
 * Trusts nothing: what the transport throws ends the connection, with nothing of the cause told to the peer.
 */
import type { Socket } from 'node:net'
import { finished } from 'node:stream'
import ssh2 from 'ssh2'
import Protocol from 'ssh2/lib/protocol/Protocol.js'
import transport from 'ssh2/lib/protocol/utils.js'
import { Malformed, message } from '../../statement/sftp/fields.ts'
import { disconnectReason, msg } from './messages.ts'

/** Modern ones alone: no SHA-1, no CBC, no compression (attack 194); ChaCha20 is left out for Terrapin's sake (attack 125). */
const algorithms = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
  ],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr'],
  mac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com'],
}

/** The signature algorithms that a host or user key of this type may sign with. */
export function signatures(keyType: string): readonly string[] {
  return keyType === 'ssh-rsa' ? ['rsa-sha2-512', 'rsa-sha2-256'] : [keyType]
}

/** Keys are changed after this many bytes, or after an hour (RFC 4253 section 9). */
const rekeyBytes = 1 << 30
const rekeyMillis = 3_600_000
/** A peer that changes keys more often than once a MiB, a few spared, is at work on our CPU (attack 126). */
const spareKeyExchanges = 8
const keyExchangeMillis = 30_000
/** RFC 4253 section 4.2; ssh2 alone would take 8 KiB a line (attack 127). */
const maxIdentBytes = 255
const lingerMillis = 2000
/** With this much unsent, the other side is not read from (attack 192). */
const highWater = 1 << 20

export interface WireOptions {
  readonly role:
    | { readonly kind: 'server'; readonly hostKey: string }
    | { readonly kind: 'client'; readonly hostKey: Uint8Array }
  /** The first key exchange is done. */
  onReady(): void
  onMessage(type: number, payload: Buffer): void
  /** All that one read brought has been handed over: the moment to record, then to send. */
  onTurn(): void
  /** The peer has caught up, or the key change is over: {@link Wire.blocked} is false again. */
  onDrain(): void
  /** Once, when nothing more will come. `error` says why, where it was not a goodbye. */
  onEnd(error?: Error): void
}

export class Wire {
  readonly #socket: Socket
  readonly #options: WireOptions
  readonly #protocol: Protocol
  #headerBytes = 0
  #headerSeen = false
  #ready = false
  #wantsExtInfo = false
  #ended = false
  #corked = false
  #bytes = 0
  #bytesAtKex = 0
  #exchanges = 0
  #rekeyTimer: NodeJS.Timeout | undefined

  constructor(socket: Socket, options: WireOptions) {
    this.#socket = socket
    this.#options = options
    const side = { cipher: algorithms.cipher, mac: algorithms.mac, compress: ['none'], lang: [] }
    const { role } = options
    this.#protocol = new Protocol({
      server: role.kind === 'server',
      ...(role.kind === 'server' ? { hostKeys: hostKeysOf(role.hostKey) } : {}),
      ident: 'Postern',
      offer: { kex: algorithms.kex, serverHostKey: hostKeyAlgorithms(role), cs: side, sc: side },
      // Pinned byte for byte: there is no trust on first use (attack 129).
      hostVerifier: key => role.kind === 'client' && Buffer.compare(key, role.hostKey) === 0,
      onWrite: bytes => this.#write(bytes),
      onError: error => this.fail(error),
      onHeader: () => {
        this.#headerSeen = true
      },
      onHandshakeComplete: () => this.#exchanged(),
      messageHandlers: {},
    })
    const kex = this.#protocol._onPayload
    this.#protocol._onPayload = payload => this.#payload(payload, kex)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 15_000)
    socket.on('data', (chunk: Buffer) => this.#data(chunk))
    socket.on('drain', () => this.#drained())
    finished(socket, { writable: false }, error => this.#end(error ?? undefined))
    this.#protocol.start()
  }

  /** The exchange hash of the first key exchange: what signatures are bound to. */
  get sessionId(): Buffer {
    const { sessionID } = this.#protocol._kex ?? {}
    if (sessionID === undefined) throw new TypeError('there is no session id before the first key exchange')
    return sessionID
  }
  /** The peer asked for EXT_INFO (RFC 8308); to be sent in `onReady`. */
  get wantsExtInfo(): boolean {
    return this.#wantsExtInfo
  }
  /** The peer does not read, or a key change holds messages back: do not read what would be sent here. */
  get blocked(): boolean {
    return !this.#ended && (this.#socket.writableLength > highWater || this.#protocol._kexinit !== undefined)
  }
  get ended(): boolean {
    return this.#ended
  }

  send(payload: Uint8Array): void {
    if (this.#ended) return
    const { write } = this.#protocol._packetRW
    const from = write.allocStart
    const packet = write.alloc(payload.length)
    packet.set(payload, from)
    transport.sendPacket(this.#protocol, write.finalize(packet))
    this.#count(payload.length)
  }

  pause(): void {
    this.#socket.pause()
  }
  resume(): void {
    this.#socket.resume()
  }

  /** Says goodbye and closes our half. The peer may take its time; who must be sure calls {@link destroy}. */
  disconnect(reason: number, why: string): void {
    if (this.#ended) return
    this.#lastWord(reason, why)
    this.#socket.end()
    this.#end()
  }

  #lastWord(reason: number, why: string): void {
    const payload = message(msg.disconnect, reason, why.slice(0, 1000), '')
    // Also in the middle of a key exchange, hence past the queue.
    const { write } = this.#protocol._packetRW
    const packet = write.alloc(payload.length, true)
    packet.set(payload, write.allocStartKEX)
    transport.sendPacket(this.#protocol, write.finalize(packet, true), true)
  }

  destroy(): void {
    this.#socket.destroy()
    this.#end()
  }

  /** The peer broke the protocol: one word of goodbye, and no more is read. */
  fail(error: Error): void {
    if (this.#ended) return
    if (this.#headerSeen) this.#lastWord(disconnectReason.protocolError, 'protocol error')
    this.#socket.destroySoon()
    this.#end(error)
  }

  #data(chunk: Buffer): void {
    if (this.#ended) return
    if (!this.#headerSeen) {
      this.#headerBytes += chunk.length
      const ident = chunk.indexOf(0x0a)
      if (this.#options.role.kind === 'server' && ident < 0 && this.#headerBytes > maxIdentBytes) {
        this.fail(new Malformed('identification'))
        return
      }
    }
    try {
      this.#protocol.parse(chunk, 0, chunk.length)
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
    // ssh2 would send an EXT_INFO of its own that offers ssh-rsa and ssh-dss: greet.ts sends ours instead.
    if (!this.#ready && this.#protocol._kex?.remoteExtInfoEnabled) {
      this.#protocol._kex.remoteExtInfoEnabled = false
      this.#wantsExtInfo = true
    }
    this.#count(chunk.length)
    this.#options.onTurn()
  }

  #payload(payload: Buffer, kex: (payload: Buffer) => unknown): unknown {
    const type = payload[0]
    if (this.#ended || type === undefined) return undefined
    if (type === msg.kexInit) {
      const earned = Math.floor(this.#bytes / (1 << 20))
      if (++this.#exchanges > spareKeyExchanges + earned) throw new Malformed('too many key exchanges')
      this.#watchExchange()
      return kex(payload)
    }
    if (type === msg.disconnect) {
      this.#socket.end()
      this.#end()
    } else if (type !== msg.ignore && type !== msg.debug && type !== msg.unimplemented) {
      this.#options.onMessage(type, payload)
    }
    return undefined
  }

  #exchanged(): void {
    this.#bytesAtKex = this.#bytes
    clearTimeout(this.#rekeyTimer)
    this.#rekeyTimer = setTimeout(() => this.#rekey(), rekeyMillis)
    this.#rekeyTimer.unref()
    if (this.#ready) {
      setImmediate(() => this.#drained())
    } else {
      this.#ready = true
      this.#options.onReady()
    }
  }

  #rekey(): void {
    if (this.#ended || !this.#ready || this.#protocol._kexinit !== undefined) return
    this.#protocol.rekey()
    this.#watchExchange()
  }

  /** A key exchange that never ends would hold messages for ever (attack 126). */
  #watchExchange(): void {
    clearTimeout(this.#rekeyTimer)
    this.#rekeyTimer = setTimeout(() => this.fail(new Error('key exchange timed out')), keyExchangeMillis)
    this.#rekeyTimer.unref()
  }

  #count(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes - this.#bytesAtKex > rekeyBytes) this.#rekey()
  }

  /** Many small writes a turn become one: the cork comes off when the turn is over. */
  #write(bytes: Buffer): void {
    if (this.#socket.destroyed || this.#socket.writableEnded) return
    if (!this.#corked) {
      this.#corked = true
      this.#socket.cork()
      process.nextTick(() => {
        this.#corked = false
        this.#socket.uncork()
      })
    }
    this.#socket.write(bytes)
  }

  #drained(): void {
    if (!this.#ended && !this.blocked) this.#options.onDrain()
  }

  #end(error?: Error): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#rekeyTimer)
    // What still comes is thrown away unread, so that our last words can leave.
    this.#socket.resume()
    this.#socket.on('error', () => this.#socket.destroy())
    // A peer that does not close its half is not waited for.
    const lingering = setTimeout(() => this.#socket.destroy(), lingerMillis)
    lingering.unref()
    this.#socket.once('close', () => clearTimeout(lingering))
    this.#options.onEnd(error)
  }
}

function hostKeysOf(pem: string): Record<string, unknown> {
  const key = ssh2.utils.parseKey(pem)
  if (key instanceof Error) throw new Error('the SSH host key cannot be read', { cause: key })
  return Object.fromEntries(signatures(key.type).map(name => [name, key]))
}

function hostKeyAlgorithms(role: WireOptions['role']): readonly string[] {
  const key = ssh2.utils.parseKey(role.kind === 'server' ? role.hostKey : Buffer.from(role.hostKey))
  if (key instanceof Error) throw new Error('the SSH host key cannot be read', { cause: key })
  return signatures(key.type)
}
