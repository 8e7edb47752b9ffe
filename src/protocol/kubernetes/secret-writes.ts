/**
 * What may be done to a Secret that is masked: made, deleted, and given labels and annotations. Any other change tells
 * whether a guess of a value is right: what is set to what it was is no change (no new resourceVersion, no event, no entry
 * in managedFields), and an apply conflicts where it differs, dry or not. A short value is soon guessed. And a JSON patch
 * moves values to where nothing is masked. Pure.
 */
import { refuse } from '../../denial.ts'
import type { Statement } from '../../recording/record.ts'
import { parseAsWritten } from '../../statement/http/json.ts'
import type { Head, Passing } from '../http/index.ts'
import type { ResourceRequest } from './request-info.ts'
import { applied } from './secrets.ts'

const only =
  'only the labels and annotations of a masked Secret can be changed, by a merge patch (kubectl label, annotate): another change would tell whether a guess of its values is right'

const merging: ReadonlySet<string | undefined> = new Set([
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
])

/** By its head alone. */
export function secretWriteProblem(
  { verb }: ResourceRequest,
  { contentType }: Pick<Head, 'contentType'>,
): string | undefined {
  return verb === 'update' || (verb === 'patch' && !merging.has(contentType)) ? only : undefined
}

/** etcd takes no more of annotations. */
const most = 256 * 1024

/** A merge patch by its body. What goes on is written anew from what was read, so a key twice cannot be read two ways. */
export function wholePatch(statement: Statement): NonNullable<Passing['whole']> {
  return {
    most,
    judge(body = Buffer.alloc(0)) {
      const patch = readPatch(body)
      if (patch !== undefined)
        return { verdict: { allow: true, statement }, body: Buffer.from(JSON.stringify(patch)) }
      const { denial } = refuse('statement_refused', only, { say: only })
      return { verdict: { allow: false, statement, denial } }
    },
  }
}

function readPatch(body: Buffer): object | undefined {
  let patch: unknown
  try {
    patch = parseAsWritten(body)
  } catch {
    return undefined
  }
  const metadata = membersOf(patch, ['metadata'])?.['metadata']
  const maps = membersOf(metadata, ['labels', 'annotations'])
  return maps !== undefined && Object.values(maps).every(isMap) ? { metadata: maps } : undefined
}

type Members = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Those of an object that has at least one, and none but `names`. */
function membersOf(value: unknown, names: readonly string[]): Members | undefined {
  if (!isObject(value)) return undefined
  const keys = Object.keys(value)
  return keys.length > 0 && keys.every(key => names.includes(key)) ? value : undefined
}

/** Of strings, and nulls to take one away; no directive of a strategic merge ($patch), and not the object as it was applied. */
const isMap = (value: unknown): boolean =>
  isObject(value) &&
  Object.entries(value).every(
    ([key, held]) => (typeof held === 'string' || held === null) && !key.startsWith('$') && key !== applied,
  )
