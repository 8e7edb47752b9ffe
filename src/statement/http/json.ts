/**
 * JSON that is written anew after it was read: numbers stay as they were written, for a long identifier must not be
 * rounded on its way. Of a member that stands there twice the last is kept, and only it goes on. Throws SyntaxError.
 */

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const raw = JSON as unknown as { rawJSON(text: string): unknown; isRawJSON(value: unknown): boolean }

export function parseAsWritten(bytes: Uint8Array): unknown {
  return JSON.parse(decoder.decode(bytes), (_key, value: unknown, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined ? raw.rawJSON(context.source) : value,
  )
}

/** A number that {@link parseAsWritten} has kept. */
export const isNumber = (value: unknown): boolean => raw.isRawJSON(value)
