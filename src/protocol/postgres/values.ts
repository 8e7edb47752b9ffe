/**
 * Values between JSON and PostgreSQL's text, for one-shots. Nothing loses digits: what a JSON number cannot hold exactly is
 * a string (int8, numeric) or keeps its own digits (inside json). Pure.
 */

/** Types whose JSON form is not their text, and the names of the commonest, so that few are asked for. */
const known: ReadonlyMap<number, readonly [name: string, read?: (text: string) => unknown]> = new Map([
  [16, ['bool', text => text === 't']],
  [17, ['bytea', bytes]],
  [18, ['char']],
  [19, ['name']],
  [20, ['int8']],
  [21, ['int2', Number]],
  [23, ['int4', Number]],
  [25, ['text']],
  [26, ['oid', Number]],
  [114, ['json', json]],
  [700, ['float4', finite]],
  [701, ['float8', finite]],
  [1042, ['bpchar']],
  [1043, ['varchar']],
  [1007, ['_int4']],
  [1009, ['_text']],
  [1082, ['date']],
  [1083, ['time']],
  [1114, ['timestamp']],
  [1184, ['timestamptz']],
  [1186, ['interval']],
  [1700, ['numeric']],
  [2950, ['uuid']],
  [3802, ['jsonb', json]],
])

export const knownTypeName = (type: number): string | undefined => known.get(type)?.[0]

/** A value of a result, from its text. What has no form of its own in JSON is the text as PostgreSQL writes it. */
export function fromText(type: number, value: Buffer | null): unknown {
  if (value === null) return null
  const text = value.toString('utf8')
  const read = known.get(type)?.[1]
  return read === undefined ? text : read(text)
}

/** A masked bytea is NULL, so only the server's own hex comes here. */
function bytes(text: string): string {
  return Buffer.from(text.slice(2), 'hex').toString('base64')
}

/** NaN and the infinities are no JSON numbers. */
function finite(text: string): number | string {
  const number = Number(text)
  return Number.isFinite(number) ? number : text
}

// ES2026, ahead of the compiler's library.
const exact = JSON as unknown as {
  rawJSON(text: string): unknown
  parse(
    text: string,
    reviver: (key: string, value: unknown, at: { readonly source?: string }) => unknown,
  ): unknown
}

/** A value, with every number as it was written. Nesting that is too deep to read stays text. */
function json(text: string): unknown {
  try {
    return exact.parse(text, (_key, value, { source }) =>
      typeof value === 'number' && source !== undefined && String(value) !== source
        ? exact.rawJSON(source)
        : value,
    )
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError) return text
    throw error
  }
}

/** A parameter's text for the server, which knows its type; undefined where its meaning would be a guess. */
export function toText(value: unknown): string | null | undefined {
  if (value === null) return null
  if (Array.isArray(value)) return arrayOf(value)
  switch (typeof value) {
    case 'string':
      return value
    case 'boolean':
      return String(value)
    case 'number':
      // JSON's numbers are doubles here: 2^53 and above may be another number than was written.
      return Number.isInteger(value) && !Number.isSafeInteger(value) ? undefined : String(value)
    case 'object':
      return JSON.stringify(value)
    default:
      return undefined
  }
}

/** `{1,"two",NULL}`: every element but NULL and nested arrays quoted. */
function arrayOf(values: readonly unknown[]): string | undefined {
  const elements = values.map(value => {
    const text = toText(value)
    if (text === null) return 'NULL'
    return text === undefined || Array.isArray(value) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`
  })
  return elements.includes(undefined) ? undefined : `{${elements.join(',')}}`
}
