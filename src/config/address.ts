/** `host:port`, and which hosts are this machine alone. */
import { isIP } from 'node:net'
import { z } from 'zod'
import type { HostPort } from './config.ts'

/** `127.0.0.1:8600`, `[::1]:8600`, `db.example.com:5432`; undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const colon = text.lastIndexOf(':')
  const host = parseHost(text.slice(0, Math.max(colon, 0)), 'bracketed')
  const digits = text.slice(colon + 1)
  if (host === undefined || !/^[1-9][0-9]{0,4}$/.test(digits) || Number(digits) > 65_535) return undefined
  return { host, port: Number(digits) }
}

/** A host name or an address. An IPv6 address stands in brackets where a port may follow. */
export function parseHost(text: string, ipv6: 'bracketed' | 'bare'): string | undefined {
  if (text.startsWith('[') && text.endsWith(']'))
    return isIP(text.slice(1, -1)) === 6 ? text.slice(1, -1) : undefined
  if (isIP(text) === 6) return ipv6 === 'bare' ? text : undefined
  if (isIP(text) === 4) return text
  // What looks like an address and is none, such as 127.1 or 10.0.0.300, is read differently by different programs.
  if (/^[0-9.]+$/.test(text)) return undefined
  return text.length <= 253 &&
    text.split('.').every(label => /^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/.test(label))
    ? text
    : undefined
}

/** Only programs on this machine can come from or reach it. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true
  return isIP(host) === 4 && host.startsWith('127.')
}

/** Listens everywhere, and is therefore no address that anybody could be told. */
export function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || (isIP(host) === 6 && /^[0:]+$/.test(host))
}

/** A URL's host without the brackets that it puts around an IPv6 address. */
export function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

export function formatHostPort({ host, port }: HostPort): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

const form = 'must be host:port, such as 127.0.0.1:8600 or "[::1]:8600"'

export const hostPort = z
  .string({ error: form })
  .transform((text, at): HostPort => {
    const parsed = parseHostPort(text)
    if (parsed !== undefined) return parsed
    at.addIssue({ code: 'custom', message: form, input: undefined })
    return z.NEVER
  })
  .meta({ description: 'host:port' })
