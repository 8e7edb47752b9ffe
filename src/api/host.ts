/**
 * Is this request meant for us? Host must name the gateway and Origin, if there is one, too: else a page in somebody's
 * browser could reach a loopback gateway by a name it controls (DNS rebinding: attacks 146 and 163, CVE-2025-66414).
 * Pure. There is no CORS at all.
 */
import type { HostPort } from '../config/config.ts'

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]'])

/** The Host values that name this listener: the public one, and on loopback each way to write loopback. */
export function hostsOf(publicUrl: URL, listening: HostPort): ReadonlySet<string> {
  const hosts = new Set([publicUrl.host])
  if (LOOPBACK.has(bracketed(listening.host)))
    for (const name of LOOPBACK) hosts.add(`${name}:${listening.port}`)
  return hosts
}

/** The same of the configuration in force: a reload may give the gateway another public name. */
export function hostsInForce(publicUrl: () => URL, listening: HostPort): () => ReadonlySet<string> {
  let of = publicUrl()
  let hosts = hostsOf(of, listening)
  return () => {
    if (of === publicUrl()) return hosts
    of = publicUrl()
    hosts = hostsOf(of, listening)
    return hosts
  }
}

export function isForUs(
  host: string | undefined,
  origin: string | undefined,
  hosts: ReadonlySet<string>,
): boolean {
  if (host === undefined || !hosts.has(host.toLowerCase())) return false
  if (origin === undefined) return true
  return URL.canParse(origin) && hosts.has(new URL(origin).host)
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
