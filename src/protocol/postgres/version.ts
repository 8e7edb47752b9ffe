/**
 * Which PostgreSQL is at the other end. The guard must know, for older servers read as names what newer ones read as words
 * of the grammar: before 17 `json_value('a', 'b')` is a call of a function of the database's own.
 */

export const SHOW_VERSION = 'SHOW server_version_num'

/**
 * The major version, if what was announced at login and what the server answers are the same: a pooler announces what it
 * likes, or what another server once said. 0 is a version that is not known, and has nothing that any server lacks.
 */
export function versionOf(
  announced: string | undefined,
  rows: readonly (readonly (string | null)[])[],
): number {
  const major = /^(\d{2})(\.\d+|devel|alpha\d+|beta\d+|rc\d+)( |$)/.exec(announced ?? '')?.[1]
  const answered = /^(\d{2})\d{4}$/.exec(rows[0]?.[0] ?? '')?.[1]
  return major !== undefined && major === answered ? Number(major) : 0
}
