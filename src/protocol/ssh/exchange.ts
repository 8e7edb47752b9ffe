/**
 * One key exchange (RFC 4253 sections 7 and 8): from two offers to new keys, the host's identity proven on the way. Knows
 * nothing of sockets: messages go in, messages and keys come out.
 */
import { createHash } from 'node:crypto'
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import { agreements } from './agreement.ts'
import { msg } from './messages.ts'
import type { Chosen, Offer } from './negotiation.ts'
import { ciphers, type Keys, macs } from './packets.ts'

/** What a server is known by: for each algorithm that it offers, what it shows and how it signs. */
export interface HostProof {
  readonly algorithms: readonly string[]
  shown(algorithm: string): Buffer
  sign(algorithm: string, hash: Buffer): Buffer
}

/** Whom a client believes. */
export interface HostTrust {
  readonly algorithms: readonly string[]
  /** Throws unless `shown` is trusted and has signed `hash`. */
  check(algorithm: string, shown: Buffer, hash: Buffer, signature: Buffer): void
}

export interface Setting {
  readonly clientIdent: Buffer
  readonly serverIdent: Buffer
  readonly client: Offer
  readonly server: Offer
  readonly chosen: Chosen
  /** Of the first exchange; nothing yet in the first. */
  readonly sessionId: Buffer | undefined
}

export interface Exchanged {
  readonly sessionId: Buffer
  /** Client to server, server to client. */
  readonly keys: readonly [Keys, Keys]
}

/** The client's half: what it sends, and what it makes of the answer. */
export function asClient(at: Setting, trust: HostTrust) {
  const { ask } = agreementOf(at)
  const { offer, finish } = ask()
  return {
    send: message(msg.kexInitiate, offer),
    finish(reply: Buffer): Exchanged {
      const fields = new Reader(reply, 1)
      const [shown, answer, signature] = [fields.bytes(), fields.bytes(), fields.bytes()]
      fields.end()
      const secret = finish(answer)
      const hash = hashOf(at, shown, offer, answer, secret)
      trust.check(at.chosen.hostKey, shown, hash, signature)
      return keysOf(at, secret, hash)
    },
  }
}

/** The server's: the client's message in, its answer and the keys out. */
export function asServer(at: Setting, proof: HostProof, initiate: Buffer): { send: Buffer; keys: Exchanged } {
  const fields = new Reader(initiate, 1)
  const offer = fields.bytes()
  fields.end()
  const { answer, secret } = agreementOf(at).answer(offer)
  const shown = proof.shown(at.chosen.hostKey)
  const hash = hashOf(at, shown, offer, answer, secret)
  const signature = proof.sign(at.chosen.hostKey, hash)
  return { send: message(msg.kexReply, shown, answer, signature), keys: keysOf(at, secret, hash) }
}

function agreementOf({ chosen }: Setting) {
  const agreement = agreements[chosen.kex]
  if (agreement === undefined) throw new Malformed('key exchange method')
  return agreement
}

function hashOf(at: Setting, shown: Buffer, offer: Buffer, answer: Buffer, secret: Buffer): Buffer {
  const parts = [at.clientIdent, at.serverIdent, at.client.payload, at.server.payload, shown, offer, answer]
  const whole = message(0, ...parts, { raw: secret }).subarray(1)
  return createHash(agreementOf(at).digest).update(whole).digest()
}

function keysOf(at: Setting, secret: Buffer, hash: Buffer): Exchanged {
  const sessionId = at.sessionId ?? hash
  const { digest } = agreementOf(at)
  /** RFC 4253 section 7.2. */
  const derive = (letter: string, size: number): Buffer => {
    let bytes = createHash(digest).update(secret).update(hash).update(letter).update(sessionId).digest()
    while (bytes.length < size)
      bytes = Buffer.concat([bytes, createHash(digest).update(secret).update(hash).update(bytes).digest()])
    return bytes.subarray(0, size)
  }
  const way = (index: 0 | 1, iv: string, key: string, macKey: string): Keys => {
    const [cipher, mac] = [at.chosen.ciphers[index], at.chosen.macs[index]]
    const kind = ciphers[cipher]
    if (kind === undefined) throw new Malformed('cipher')
    return {
      cipher,
      mac,
      iv: derive(iv, kind.ivBytes),
      key: derive(key, kind.keyBytes),
      macKey: derive(macKey, macs[mac]?.bytes ?? 0),
    }
  }
  return { sessionId, keys: [way(0, 'A', 'C', 'E'), way(1, 'B', 'D', 'F')] }
}
