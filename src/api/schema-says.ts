/** What a schema says of a call, in words for whoever sent it. Pure: zod's own talk of types is for programmers. */
import type { z } from '@hono/zod-openapi'
import { isMissing } from '../config/judge.ts'

export interface Judged {
  /** What was judged: the body, the query, the path's parts. */
  readonly data: unknown
  readonly target: string
  readonly issues: readonly z.core.$ZodIssue[]
  readonly contentType: string | undefined
}

export const sendJson = 'send JSON with content-type: application/json'

const isJson = /^application\/([a-z.-]+\+)?json\s*(;|$)/i

export function schemaSays({ data, target, issues: [issue], contentType = '' }: Judged): string {
  if (target === 'json' && !isJson.test(contentType)) return sendJson
  if (issue === undefined) return 'the request: not valid'
  const at = issue.path.map(String).join('.')
  if (isMissing(data, issue.path)) return `${at}: missing`
  return `${at || 'the request'}: ${wordsFor(issue)}`
}

function wordsFor(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${issue.expected === 'object' ? 'an object' : `of type ${issue.expected}`}`
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`
    case 'unrecognized_keys':
      return `unknown: ${issue.keys.join(', ')}`
    case 'too_small':
      return `must be at least ${issue.minimum}${unit(issue)}`
    case 'too_big':
      return `must be at most ${issue.maximum}${unit(issue)}`
    default:
      return issue.message
  }
}

const unit = ({ origin }: { origin: string }) => (origin === 'number' || origin === 'int' ? '' : ' long')
