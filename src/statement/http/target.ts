/**
 * A request-target at the gateway's door, `/c/<connection>/<path>?<query>`, taken apart: only origin-form (RFC 9112
 * section 3.2.1), no fragment (attack 133), and the path in its one form. Pure.
 */
import { normalPath } from './path.ts'
import { readQuery } from './query.ts'

export interface RequestTarget {
  /** In its one form, below the connection. */
  readonly path: string
  /** As it came, without the `?`; undefined where there was none. */
  readonly query: string | undefined
  readonly names: readonly string[]
}

export type ReadTarget = RequestTarget | { readonly unreadable: string }

const door = /^\/c\/([a-z0-9-]{1,64})(?=[/?]|$)/

/** The connection that a request-target names; undefined for what is not for a door at all. */
export function connectionIn(target: string): string | undefined {
  return door.exec(target)?.[1]
}

/** What is behind `/c/<connection>`. */
export function readTarget(target: string): ReadTarget {
  return readPath(target.replace(door, ''))
}

/** A path with its query, as a one-shot names it. */
export function readPath(target: string): ReadTarget {
  if (target.includes('#')) return { unreadable: 'a fragment in the request-target' }
  const mark = target.indexOf('?')
  const normal = normalPath((mark < 0 ? target : target.slice(0, mark)) || '/')
  if ('unreadable' in normal) return normal
  const query = mark < 0 ? undefined : target.slice(mark + 1)
  const read = query === undefined ? { names: [] } : readQuery(query)
  return 'unreadable' in read ? read : { path: normal.path, query, names: read.names }
}
