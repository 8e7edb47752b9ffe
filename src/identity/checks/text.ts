/** A claim that names something: a non-empty, well-formed string of bounded length. Kept byte for byte, never trimmed. */
const longest = 512

export function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longest && value.isWellFormed()
}
