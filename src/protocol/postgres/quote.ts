/**
 * Names and texts as PostgreSQL reads them inside a statement of ours. Pure. What cannot be quoted exactly is refused: a
 * NUL would end the statement, and a name above 63 bytes would be cut to another one's.
 */

/** A name as the catalogue holds it: no folding, nothing in it is read. */
export function identifier(name: string): string {
  if (name === '' || name.includes('\0') || Buffer.byteLength(name) > 63) {
    throw new TypeError('this cannot be the name of anything in PostgreSQL')
  }
  return `"${name.replaceAll('"', '""')}"`
}

/** Two names with their dot between. */
export const qualified = (schema: string, name: string): string => `${identifier(schema)}.${identifier(name)}`

/** With standard_conforming_strings on, which each session of ours begins with, doubling the quote is all there is to it. */
export function literal(text: string): string {
  if (text.includes('\0')) throw new TypeError('a text in PostgreSQL holds no NUL')
  return `'${text.replaceAll("'", "''")}'`
}
