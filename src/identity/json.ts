/**
 * JSON as a token may carry it: strict UTF-8, no byte order mark, no member twice, no escaped member name, bounded depth
 * and size. Two parsers that disagree on one text are how a token is read twice in two ways (attacks 22, 23, 24; [J6]).
 *
 * The grammar itself is JSON.parse's; this only refuses what JSON.parse lets pass.
 */

const maxDepth = 16
const maxMembers = 1_000

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export type JsonObject = Readonly<Record<string, unknown>>

/** The object these bytes spell, or why they are refused. */
export function parseObject(bytes: Uint8Array): JsonObject | string {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch {
    return 'not UTF-8'
  }
  const odd = oddity(text)
  if (odd !== undefined) return odd
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'not JSON'
  }
  return isObject(value) ? value : 'not a JSON object'
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A member of the object itself, never of its prototype: `constructor` and `__proto__` are names like any other. */
export function member(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined
}

/** One pass over the text. Meaningful for valid JSON alone; anything else fails in JSON.parse right after. */
function oddity(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = []
  let members = 0
  let at = 0
  while (at < text.length) {
    const c = text[at]
    if (c === '{' || c === '[') {
      if (open.length === maxDepth) return `nested deeper than ${maxDepth}`
      open.push(c === '{' ? new Set() : undefined)
    } else if (c === '}' || c === ']') {
      open.pop()
    } else if (c === '"') {
      const end = endOfString(text, at)
      if (end === undefined) return 'a string without end'
      const names = open.at(-1)
      if (names !== undefined && isName(text, end)) {
        const name = text.slice(at + 1, end)
        if (name.includes('\\')) return 'an escaped member name'
        if (names.has(name)) return 'a member twice'
        if (++members > maxMembers) return `more than ${maxMembers} members`
        names.add(name)
      }
      at = end
    }
    at++
  }
  return undefined
}

function endOfString(text: string, start: number): number | undefined {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === '\\') at++
    else if (text[at] === '"') return at
  }
  return undefined
}

function isName(text: string, end: number): boolean {
  let at = end + 1
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\n' || text[at] === '\r') at++
  return text[at] === ':'
}
