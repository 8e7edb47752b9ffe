/**
 * What two sides offer each other and what comes of it (RFC 4253 section 7.1). Pure.
 *
 * Modern algorithms alone: no SHA-1, no CBC, no MAC over plaintext, no compression (attack 194). ChaCha20-Poly1305 with
 * peers alone that know strict key exchange: without it, it is what Terrapin breaks (CVE-2023-48795, attack 125).
 */
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import { chacha } from './chacha.ts'
import { msg } from './messages.ts'
import { ciphers } from './packets.ts'

const cipherNames = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
  chacha,
]
const macNames = ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com']

/** Towards clients; ssh-audit's taste. */
const serverKex = ['mlkem768x25519-sha256', 'curve25519-sha256', 'curve25519-sha256@libssh.org']
/** Towards hosts, some of which may know nothing newer. */
const clientKex = [...serverKex, 'ecdh-sha2-nistp256', 'ecdh-sha2-nistp384', 'ecdh-sha2-nistp521']

const markerOf = { client: 'kex-strict-c-v00@openssh.com', server: 'kex-strict-s-v00@openssh.com' }
const wantsExtInfo = 'ext-info-c'

/** Longest name-list that is read: OpenSSH's measure under 1,000 bytes. */
const maxListBytes = 8192

export type Side = 'client' | 'server'

export interface Offer {
  readonly payload: Buffer
  readonly kex: readonly string[]
  readonly hostKey: readonly string[]
  /** Client to server, server to client. */
  readonly ciphers: readonly [readonly string[], readonly string[]]
  readonly macs: readonly [readonly string[], readonly string[]]
  readonly compression: readonly [readonly string[], readonly string[]]
  /** The key exchange's first message comes unasked. */
  readonly guesses: boolean
}

export interface Chosen {
  readonly kex: string
  readonly hostKey: string
  readonly ciphers: readonly [string, string]
  readonly macs: readonly [string, string]
}

export function offerOf(side: Side, hostKey: readonly string[], first: boolean, cookie: Buffer): Offer {
  // The markers count in the first exchange alone.
  const markers = !first ? [] : side === 'client' ? [wantsExtInfo, markerOf.client] : [markerOf.server]
  const kex = [...(side === 'client' ? clientKex : serverKex), ...markers]
  const list = (names: readonly string[]) => names.join(',')
  const payload = message(
    msg.kexInit,
    { raw: cookie },
    list(kex),
    list(hostKey),
    ...[cipherNames, cipherNames, macNames, macNames, ['none'], ['none'], [], []].map(list),
    false,
    0,
  )
  return read(payload)
}

/** The peer's KEXINIT. */
export function read(payload: Buffer): Offer {
  const fields = new Reader(payload, 17)
  const list = (): readonly string[] => {
    const bytes = fields.bytes()
    if (bytes.length > maxListBytes) throw new Malformed('name-list')
    return bytes.length === 0 ? [] : bytes.toString('latin1').split(',')
  }
  const pair = () => [list(), list()] as const
  const offer = {
    payload,
    kex: list(),
    hostKey: list(),
    ciphers: pair(),
    macs: pair(),
    compression: pair(),
  }
  pair()
  return { ...offer, guesses: fields.bool() }
}

export function isStrict(client: Offer, server: Offer): boolean {
  return client.kex.includes(markerOf.client) && server.kex.includes(markerOf.server)
}

export function asksExtInfo(client: Offer): boolean {
  return client.kex.includes(wantsExtInfo)
}

/** What comes out of the offers is not safe: the peer is told so. */
export class Unsafe extends Malformed {
  readonly said: string
  constructor(said: string) {
    super(said)
    this.said = said
  }
}

/** The client's first that the server has too; the same on both sides. */
export function choose(client: Offer, server: Offer, strict: boolean): Chosen {
  const first = (what: string, wanted: readonly string[], had: readonly string[]): string => {
    const found = wanted.find(name => had.includes(name))
    if (found === undefined) throw new Malformed(`nothing in common for ${what}`)
    return found
  }
  const both = (what: 'ciphers' | 'compression') =>
    [first(what, client[what][0], server[what][0]), first(what, client[what][1], server[what][1])] as const
  const chosen = both('ciphers')
  both('compression')
  if (chosen.includes(chacha) && !strict)
    throw new Unsafe(`${chacha} without strict key exchange (CVE-2023-48795): use an AES cipher`)
  const mac = (way: 0 | 1) =>
    ciphers[chosen[way]]?.mac === true ? first('macs', client.macs[way], server.macs[way]) : ''
  return {
    kex: first('key exchange', client.kex.filter(isMethod), server.kex),
    hostKey: first('host key', client.hostKey, server.hostKey),
    ciphers: chosen,
    macs: [mac(0), mac(1)],
  }
}

/** The markers stand in the same list and must never be taken for a method. */
function isMethod(name: string): boolean {
  return name !== wantsExtInfo && !name.startsWith('kex-strict-')
}

/** Whether what came with the offer was meant for this exchange: the favourites of both sides were the same. */
export function guessedRight(theirs: Offer, ours: Offer): boolean {
  return theirs.kex[0] === ours.kex[0] && theirs.hostKey[0] === ours.hostKey[0]
}
