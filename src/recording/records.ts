/** Records as the members of their lines: what is kept of a statement and of what came back. */
import { createHash } from 'node:crypto'
import { json, members } from '../ledger/text.ts'
import { textOrBase64 } from './digest.ts'
import type { Hidden } from './hidden.ts'
import type { Result, Verdict } from './record.ts'
import { redactPasswords } from './redact.ts'

/** More is kept as its first part, its length and its digest. */
const longestText = 1024 * 1024
const longestParameters = 16 * 1024

export function verdictMembers(verdict: Verdict, redact: (text: string) => string): string {
  const { kind, text, touches } = verdict.statement
  const short = text.length > longestText ? text.slice(0, longestText) : text
  return members({
    kind: redact(kind),
    text: redact(redactPasswords(short)),
    ...(short === text
      ? {}
      : {
          text_bytes: Buffer.byteLength(text),
          text_digest: createHash('sha256').update(text).digest('hex'),
        }),
    touches: touches.map(({ act, on }) => ({ act, on: redact(on) })),
    verdict: verdict.allow ? 'allow' : 'refused',
    ...(verdict.allow
      ? {}
      : { reason: verdict.denial.code, detail: redact(redactPasswords(verdict.denial.detail)) }),
  })
}

export function resultMembers(result: Result): string {
  const { rows, bytes, ms, columns, digest, truncated, tag, error } = result
  return members({
    rows,
    bytes,
    ms: ms === undefined ? undefined : Math.round(ms * 1000) / 1000,
    columns,
    digest,
    truncated,
    tag,
    error: error === undefined ? undefined : { code: error.code, message: redactPasswords(error.message) },
  })
}

export function parameterMembers(parameters: Uint8Array, hidden: Hidden): string {
  // Redacted before it is cut: half a secret is one too.
  const redacted = hidden.redactBytes(parameters.subarray(0, longestParameters * 2))
  const kept = redacted.subarray(0, longestParameters)
  const { data, encoding } = textOrBase64(kept)
  const cut = kept.length < redacted.length || parameters.length > longestParameters * 2
  return [
    `"parameters":${json(data)}`,
    ...(encoding === undefined ? [] : [`"parameters_encoding":"${encoding}"`]),
    ...(cut ? [`"parameters_bytes":${parameters.length}`] : []),
  ].join(',')
}
