/**
 * The transport layer of one connection (RFC 4253): identification, key exchanges, packets. Bytes in, messages out, and
 * the other way round; no socket, no clock.
 *
 * Strict key exchange where the peer knows it (Terrapin, CVE-2023-48795, attack 125): in the first exchange nothing but
 * its own messages, and the packets are counted anew with each change of keys. Whatever is out of place throws.
 */
import { randomBytes } from 'node:crypto'
import { Malformed } from '../../statement/sftp/fields.ts'
import { asClient, asServer, type Exchanged, type HostProof, type HostTrust } from './exchange.ts'
import { IdentReader, ident, identLine } from './ident.ts'
import { lengthBytes, type Opener, type Sealer } from './layout.ts'
import { msg, type Payload } from './messages.ts'
import { asksExtInfo, choose, guessedRight, isStrict, type Offer, offerOf, read } from './negotiation.ts'
import { openerOf, plain, sealerOf } from './packets.ts'

export type Role =
  | { readonly kind: 'server'; readonly proof: HostProof }
  | { readonly kind: 'client'; readonly trust: HostTrust }

export interface Far {
  write(piece: Uint8Array): void
  /** Everything that is not the transport's own, DISCONNECT among it. */
  message(type: number, payload: Buffer): void
  /** The peer wants new keys, or the first ones. */
  offered(): void
  /** New keys are in force both ways. */
  exchanged(): void
}

/** Before the numbers come round no packet may go under old keys (RFC 4344 section 3.1); far below, keys are changed. */
const maxPackets = 2 ** 31

export class Transport {
  readonly #role: Role
  readonly #far: Far
  readonly #idents: IdentReader
  #theirIdent: Buffer | undefined
  #held: Buffer | undefined
  #have = 0
  readonly #lead = Buffer.alloc(lengthBytes)
  #sealer: Sealer = plain
  #opener: Opener = plain
  #sent = 0
  #received = 0
  #opened = 0
  #packets = 0
  #strict = false
  #extInfo = false
  #ours: Offer | undefined
  #theirs: Offer | undefined
  #client: ReturnType<typeof asClient> | undefined
  #next: Exchanged | undefined
  #skip = false
  #newKeysSent = false
  #sessionId: Buffer | undefined
  #ready = false
  #stopped = false
  #queue: Payload[] = []

  constructor(role: Role, far: Far) {
    this.#role = role
    this.#far = far
    this.#idents = new IdentReader(role.kind === 'server' ? 'client' : 'server')
  }

  start(): void {
    this.#far.write(identLine)
  }

  /** The exchange hash of the first key exchange: what signatures are bound to. */
  get sessionId(): Buffer {
    if (this.#sessionId === undefined)
      throw new TypeError('there is no session id before the first key exchange')
    return this.#sessionId
  }
  get identified(): boolean {
    return this.#theirIdent !== undefined
  }
  /** The first keys are in force. */
  get ready(): boolean {
    return this.#ready
  }
  /** The peer asked for EXT_INFO (RFC 8308). */
  get wantsExtInfo(): boolean {
    return this.#extInfo
  }
  /** Messages are held back until the new keys are there. */
  get exchanging(): boolean {
    return this.#ours !== undefined
  }
  /** So many packets have gone under these keys that new ones are due. */
  get worn(): boolean {
    return this.#packets > maxPackets
  }

  /** Nothing more is taken or given out. */
  stop(): void {
    this.#stopped = true
    this.#queue = []
  }

  rekey(): void {
    if (this.#ready && !this.exchanging) this.#offer()
  }

  send(payload: Payload): void {
    // There are no keys yet: it would leave in the clear.
    if (!this.#ready) throw new TypeError('a message before the first key exchange')
    if (this.exchanging && !this.#newKeysSent) this.#queue.push(payload)
    else this.#seal(payload)
  }

  /** Past the queue: DISCONNECT, also in the middle of an exchange. */
  sendNow(payload: Payload): void {
    this.#seal(payload)
  }

  #seal(payload: Payload): void {
    this.#packets++
    this.#sealer.seal(payload, this.#sent, piece => this.#far.write(piece))
    this.#sent = (this.#sent + 1) >>> 0
  }

  /** How many packets have come, since the beginning. */
  get opened(): number {
    return this.#opened
  }

  /** Takes of it what `most` packets hold; says how many bytes that is. */
  feed(chunk: Buffer, most = Number.POSITIVE_INFINITY): number {
    if (this.#theirIdent !== undefined) return this.#packetsIn(chunk, most)
    const found = this.#idents.push(chunk)
    if (found === undefined) return chunk.length
    this.#theirIdent = found.ident
    this.#offer()
    return chunk.length - found.rest.length + this.#packetsIn(found.rest, most)
  }

  #packetsIn(chunk: Buffer, most: number): number {
    const until = this.#opened + most
    let at = 0
    while (at < chunk.length && !this.#stopped && this.#opened < until) {
      if (this.#held !== undefined) {
        at += this.#fill(this.#held, chunk, at)
        if (this.#have < this.#held.length) return at
        const whole = this.#held
        this.#held = undefined
        this.#have = 0
        this.#open(whole)
      } else if (this.#have === 0 && chunk.length - at >= lengthBytes) {
        const size = this.#opener.measure(chunk.readUInt32BE(at), this.#received)
        if (chunk.length - at < size) {
          this.#held = Buffer.allocUnsafe(size)
          continue
        }
        at += size
        this.#open(chunk.subarray(at - size, at))
      } else {
        at += this.#fill(this.#lead, chunk, at)
        if (this.#have < lengthBytes) return at
        this.#held = Buffer.allocUnsafe(this.#opener.measure(this.#lead.readUInt32BE(), this.#received))
        this.#held.set(this.#lead)
      }
    }
    return this.#stopped ? chunk.length : at
  }

  /** Puts what there is where something is missing; says how much that was. */
  #fill(into: Buffer, chunk: Buffer, at: number): number {
    const size = chunk.copy(into, this.#have, at)
    this.#have += size
    return size
  }

  #open(packet: Buffer): void {
    const payload = this.#opener.open(packet, this.#received)
    this.#received = (this.#received + 1) >>> 0
    this.#packets++
    this.#opened++
    const type = payload[0] ?? 0
    const initial = !this.#ready
    if (type === msg.kexInit) this.#offered(payload)
    else if (type >= msg.newKeys && type <= 49) this.#exchange(type, payload)
    else if (type >= msg.ignore && type <= msg.debug) {
      if (initial && (this.#strict || this.#theirs === undefined)) this.#early(type)
    } else if (type !== msg.disconnect && (initial || this.#theirs !== undefined)) this.#early(type)
    else this.#far.message(type, payload)
  }

  /** Where the peer turns out to be strict, what came before its KEXINIT was one too many: see {@link #offered}. */
  #early(type: number): void {
    if (this.#ready || this.#strict || type < msg.ignore || type > msg.debug)
      throw new Malformed(`message ${type} in a key exchange`)
  }

  // ---- key exchange

  #offer(): void {
    const { kind } = this.#role
    const names = this.#role.kind === 'server' ? this.#role.proof.algorithms : this.#role.trust.algorithms
    this.#ours = offerOf(kind, names, !this.#ready, randomBytes(16))
    this.#seal(this.#ours.payload)
  }

  #offered(payload: Buffer): void {
    if (this.#theirs !== undefined) throw new Malformed('a second KEXINIT')
    this.#far.offered()
    if (this.#ours === undefined) this.#offer()
    const ours = this.#ours
    if (ours === undefined || this.#theirIdent === undefined) return
    // What arrived is a view of a buffer that the exchange outlives.
    const theirs = read(Buffer.from(payload))
    this.#theirs = theirs
    const isServer = this.#role.kind === 'server'
    const [client, server] = isServer ? [theirs, ours] : [ours, theirs]
    if (!this.#ready) {
      this.#strict = isStrict(client, server)
      this.#extInfo = isServer && asksExtInfo(client)
      if (this.#strict && this.#received !== 1) throw new Malformed('KEXINIT was not the first packet')
    }
    this.#skip = theirs.guesses && !guessedRight(theirs, ours)
    if (this.#role.kind === 'client') {
      this.#client = asClient(this.#setting(), this.#role.trust)
      this.#seal(this.#client.send)
    }
  }

  #setting() {
    const [ours, theirs, theirIdent] = [this.#ours, this.#theirs, this.#theirIdent]
    if (ours === undefined || theirs === undefined || theirIdent === undefined)
      throw new Malformed('no key exchange is under way')
    const sides =
      this.#role.kind === 'server'
        ? { client: theirs, server: ours, clientIdent: theirIdent, serverIdent: ident }
        : { client: ours, server: theirs, clientIdent: ident, serverIdent: theirIdent }
    return { ...sides, chosen: choose(sides.client, sides.server, this.#strict), sessionId: this.#sessionId }
  }

  #exchange(type: number, payload: Buffer): void {
    if (this.#skip) {
      this.#skip = false
      return
    }
    const isServer = this.#role.kind === 'server'
    if (type === msg.newKeys) this.#newKeysIn()
    else if (this.#theirs === undefined || this.#next !== undefined)
      throw new Malformed(`message ${type} outside a key exchange`)
    else if (this.#role.kind === 'server' && type === msg.kexInitiate) {
      const { send, keys } = asServer(this.#setting(), this.#role.proof, payload)
      this.#seal(send)
      this.#newKeysOut(keys)
    } else if (!isServer && type === msg.kexReply && this.#client !== undefined) {
      this.#newKeysOut(this.#client.finish(payload))
    } else throw new Malformed(`message ${type} in a key exchange`)
  }

  #newKeysOut(next: Exchanged): void {
    this.#next = next
    this.#sessionId ??= next.sessionId
    this.#seal(Buffer.of(msg.newKeys))
    this.#sealer = sealerOf(next.keys[this.#role.kind === 'server' ? 1 : 0])
    if (this.#strict) this.#sent = 0
    this.#newKeysSent = true
    if (this.#ready) this.#drain()
  }

  #newKeysIn(): void {
    const next = this.#next
    if (next === undefined) throw new Malformed('NEWKEYS without keys')
    this.#opener = openerOf(next.keys[this.#role.kind === 'server' ? 0 : 1])
    if (this.#strict) this.#received = 0
    this.#packets = 0
    this.#ours = undefined
    this.#theirs = undefined
    this.#client = undefined
    this.#next = undefined
    this.#newKeysSent = false
    this.#ready = true
    this.#far.exchanged()
    this.#drain()
  }

  #drain(): void {
    const queue = this.#queue
    this.#queue = []
    for (const payload of queue) this.#seal(payload)
  }
}
