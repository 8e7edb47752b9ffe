/**
 * Where connections may be forwarded to: `host:port` to the letter, `[::1]:80` for addresses of version 6. Pure.
 *
 * What the client asks for is compared as it stands and what is dialled is the rule's own text, so nothing is resolved
 * between the look and the use: `2130706433`, `::ffff:127.0.0.1` or a name that now points elsewhere are simply not the
 * text that the rule lists (attack 108). A name is looked up by the target alone, once.
 */
import { z } from 'zod'

export interface Destination {
  readonly host: string
  readonly port: number
}

const form = /^(?:([a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)|\[([0-9a-f:.]*:[0-9a-f:.]*)\]):([1-9][0-9]{0,4})$/

const destination = z
  .string()
  .max(300)
  .transform(text => text.toLowerCase())
  .refine(text => read(text) !== undefined, 'a forward is host:port to the letter, without wildcards')

export const forwardSchema = z.array(destination).max(64)

function read(text: string): Destination | undefined {
  const [, name, address, port] = form.exec(text) ?? []
  const host = name ?? address
  return host === undefined || Number(port) > 65_535 ? undefined : { host, port: Number(port) }
}

/** As rules and records write it. */
export function destinationText(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** The listed destination that is the one asked for; its own text is what is dialled. */
export function findDestination(
  allowed: readonly string[],
  host: string,
  port: number,
): Destination | undefined {
  // Only ASCII is folded: other letters that fold to it are another text.
  const asked = destinationText(host, port).replace(/[A-Z]/g, letter => letter.toLowerCase())
  const found = allowed.find(one => one === asked)
  return found === undefined ? undefined : read(found)
}
