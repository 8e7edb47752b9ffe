/**
 * Completes a torn line of an asciicast, an event or the header, by appending alone: `[1.5,"o","ab\u00` becomes
 * `[1.5,"o","ab\u0000"]`. What is shown is what was written; a few bytes of filling are the price of never taking anything
 * away.
 */

/** What to write behind a torn line, its newline included. */
export function completion(torn: Uint8Array): Buffer {
  const bytes = Buffer.from(torn.buffer, torn.byteOffset, torn.length)
  return Buffer.concat([
    characterEnd(bytes),
    Buffer.from(`${bytes[0] === 0x7b ? headerEnd(bytes) : eventEnd(bytes)}\n`),
  ])
}

/** The missing bytes of a UTF-8 character: the highest or lowest continuation, whichever is valid behind its lead. */
function characterEnd(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const lead = bytes[bytes.length - back] ?? 0
    if (lead < 0x80) return Buffer.alloc(0)
    if (lead < 0xc0) continue
    const needs = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2
    const second = lead === 0xe0 || lead === 0xf0 ? 0xbf : 0x80
    const missing = Math.max(0, needs - back)
    return Buffer.from(Array.from({ length: missing }, (_, n) => (n === 0 && back === 1 ? second : 0x80)))
  }
  return Buffer.alloc(0)
}

function eventEnd(bytes: Buffer): string {
  if (bytes[0] !== 0x5b) return ''
  const text = bytes.toString('latin1')
  const parts = /^\[([0-9]*)(\.[0-9]*)?(,(?:"([a-z])?(")?)?)?(,)?(")?/.exec(text)
  if (parts === null) return ''
  const [matched, whole, fraction, comma, code, codeEnd, second, opened] = parts
  if (opened !== undefined) {
    const end = stringEnd(bytes.subarray(matched.length))
    return end === '' && bytes.at(-1) === 0x5d ? '' : `${end}]`
  }
  if (second !== undefined) return '""]'
  if (codeEnd !== undefined) return ',""]'
  if (code !== undefined) return '",""]'
  if (comma === ',"') return 'o",""]'
  if (comma !== undefined) return '"o",""]'
  return `${whole === '' || fraction === '.' ? '0' : ''},"o",""]`
}

/** The header as it is always written: what stands before each value, and the value if there is none. */
const headerParts: readonly (readonly [before: string, value: string])[] = [
  ['{"version":', '2'],
  [',"width":', '80'],
  [',"height":', '24'],
  [',"timestamp":', '0'],
  [',"title":', '""'],
  [',"env":{"TERM":', '""'],
  ['}}', ''],
]

function headerEnd(bytes: Buffer): string {
  let rest = bytes.toString('latin1')
  let end = ''
  for (const [before, value] of headerParts) {
    end += before.slice(rest.length)
    rest = rest.slice(before.length)
    const written = /^(?:[0-9]+|"(?:[^"\\]|\\.)*(?:"|\\$)?)?/.exec(rest)?.[0] ?? ''
    if (rest === '') end += value
    else if (written.startsWith('"')) end += stringEnd(Buffer.from(written.slice(1), 'latin1'))
    rest = rest.slice(written.length)
  }
  return end
}

/** The end of a JSON string of which these bytes are the beginning; nothing if it has one. */
function stringEnd(inside: Buffer): string {
  let at = 0
  while (at < inside.length) {
    const byte = inside[at]
    if (byte === 0x22) return ''
    if (byte === 0x5c) {
      if (at + 1 >= inside.length) return '\\"'
      const needs = inside[at + 1] === 0x75 ? 6 : 2
      const missing = at + needs - inside.length
      if (missing > 0) return `${'0'.repeat(missing)}"`
      at += needs
    } else at++
  }
  return '"'
}
