/**
 * What the gateway shows of itself inside TLS: the operator's certificate, or under `tls: auto` one from a CA of its own in
 * `data/keys` (ca.pem, ca.key, server.pem, server.key). The CA stays for years, so that clients pin it once.
 *
 * Certificates are read with Node's own parser; the library that makes them is loaded only when one must be made.
 */
import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import { hostOf, isEverywhere } from '../config/address.ts'
import type { Config, Listen } from '../config/config.ts'
import { Unfit } from '../unfit.ts'
import type { Millis } from '../words.ts'
import { type Issued, writeWhole } from './keyfile.ts'

export interface TlsKeys {
  /** For `tls` and `https`. */
  readonly options: { readonly cert: string; readonly key: string; readonly minVersion: 'TLSv1.2' }
  readonly context: SecureContext
  /** The CA's certificate under `tls: auto`: what clients are told to trust. */
  readonly ca?: string
  readonly notAfter: Millis
}

const day = 86_400_000
const authorityLife = 10 * 365 * day
/** A CA with less than this before it could not sign for a whole one: a new one is made. */
const serverLife = 90 * day

/** Always in the certificate, whatever else the gateway is called. */
const local = ['localhost', '127.0.0.1', '::1']

/** What clients may call the gateway by: its public name, and what stands in grants. */
export function namesOf({
  publicUrl,
  advertise,
  listen,
}: Pick<Config, 'publicUrl' | 'advertise' | 'listen'>): Set<string> {
  const listeners = [listen.http, listen.people, ...listen.streams.values()].filter(at => at !== undefined)
  const hosts = [hostOf(publicUrl), ...[...advertise.values(), ...listeners].map(at => at.host)]
  return new Set(hosts.filter(host => !isEverywhere(host)))
}

/** Call it again now and then and on reload: it makes anew what has grown old. */
export const tlsOf = (config: Config, now: Millis): Promise<TlsKeys> =>
  loadTls(config.listen.tls, config.data, namesOf(config), now)

export async function loadTls(
  spec: Listen['tls'],
  data: string,
  names: Iterable<string>,
  now: Millis,
): Promise<TlsKeys> {
  const folder = join(data, 'keys')
  try {
    return spec === 'auto'
      ? await loadAuto(folder, [...new Set([...local, ...names])], now)
      : await loadOwn(spec, now)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code?.startsWith('ERR_OSSL') !== true) throw error
    // A renewed certificate beside its old key, a key with a passphrase: an operator's everyday, and no defect.
    const what =
      spec === 'auto' ? `${folder}: a certificate or key in it` : 'listen.tls: the certificate or its key'
    throw new Unfit(`${what} cannot be used: ${message}`, { cause: error })
  }
}

async function loadOwn(spec: Exclude<Listen['tls'], 'auto'>, now: Millis): Promise<TlsKeys> {
  const key = await spec.key.resolve()
  return keysOf(await readFile(spec.cert, 'utf8'), key.reveal(), now)
}

async function loadAuto(folder: string, names: readonly string[], now: Millis): Promise<TlsKeys> {
  const ca = await loadAuthority(folder, now)
  const kept = await readPair(folder, 'server')
  const server =
    kept !== undefined && isGood(kept, ca, names, now) ? kept : await renewServer(folder, ca, names, now)
  return { ...keysOf(server.cert, server.key, now), ca: ca.cert }
}

async function loadAuthority(folder: string, now: Millis): Promise<Issued> {
  const kept = await readPair(folder, 'ca')
  if (kept !== undefined && new X509Certificate(kept.cert).validToDate.getTime() - now > serverLife)
    return kept
  const { issueAuthority } = await import('./certificate.ts')
  const made = await issueAuthority(now, authorityLife)
  await writePair(folder, 'ca', made)
  return made
}

async function renewServer(
  folder: string,
  ca: Issued,
  names: readonly string[],
  now: Millis,
): Promise<Issued> {
  const { issueServer } = await import('./certificate.ts')
  const made = await issueServer(ca, names, now, serverLife)
  await writePair(folder, 'server', made)
  return made
}

/** Fits the CA, its own key and the names, and has more than a third of its life before it. */
function isGood({ cert, key }: Issued, ca: Issued, names: readonly string[], now: Millis): boolean {
  const certificate = new X509Certificate(cert)
  const authority = new X509Certificate(ca.cert)
  const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()]
  return (
    certificate.verify(authority.publicKey) &&
    isPair(cert, key) &&
    now >= from &&
    to - now > (to - from) / 3 &&
    names.every(
      name => (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined,
    )
  )
}

function isPair(cert: string, key: string): boolean {
  try {
    return createSecureContext({ cert, key }) !== undefined
  } catch (error) {
    // A crash between the two files leaves a key beside another's certificate.
    if ((error as NodeJS.ErrnoException).code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH') return false
    throw error
  }
}

function keysOf(cert: string, key: string, now: Millis): TlsKeys {
  const options = { cert, key, minVersion: 'TLSv1.2' } as const
  const notAfter = new X509Certificate(cert).validToDate.getTime()
  if (notAfter <= now) throw new Unfit(`the TLS certificate expired at ${new Date(notAfter).toISOString()}`)
  return { options, context: createSecureContext(options), notAfter }
}

async function readPair(folder: string, name: 'ca' | 'server'): Promise<Issued | undefined> {
  const [cert, key] = await Promise.all([
    read(join(folder, `${name}.pem`)),
    read(join(folder, `${name}.key`)),
  ])
  // The key is written first: a key alone is a crash in the middle, a CA without its key is somebody's hand, and a new
  // CA in its place would be trusted by no client.
  if (name === 'ca' && cert !== undefined && key === undefined) {
    throw new Unfit(`ca.key is missing in ${folder}; restore it, or remove ca.pem too`)
  }
  return cert === undefined || key === undefined ? undefined : { cert, key }
}

async function read(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

async function writePair(folder: string, name: 'ca' | 'server', { cert, key }: Issued): Promise<void> {
  await writeWhole(join(folder, `${name}.key`), key, 0o600)
  await writeWhole(join(folder, `${name}.pem`), cert, 0o644)
}
