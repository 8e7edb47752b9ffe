/** Records as the members of their lines: what is kept of a statement and of what came back. */
import { createHash } from 'node:crypto'
import { json, members, thousandths } from '../ledger/text.ts'
import { textOrBase64 } from './digest.ts'
import type { Hidden } from './hidden.ts'
import type { Result, Touch, Verdict } from './record.ts'
import { redactPasswords } from './redact.ts'

/** More is kept as its first part, its length and its digest. */
const longestText = 1024 * 1024
const longestParameters = 16 * 1024

const digestOf = (said: string | Uint8Array): string => createHash('sha256').update(said).digest('hex')

/** The verdict's members, nothing of a session's hidden in them yet; shared by all sessions, for caches share verdicts. */
const written = new WeakMap<Verdict, string>()

/** What is kept of a statement, tokens and what is hidden gone. */
export function statementMembers(verdict: Verdict, hidden: Hidden): string {
  let rest = written.get(verdict)
  if (rest === undefined) {
    rest = verdictMembers(verdict)
    if (verdict.allow && verdict.again === 'whole') written.set(verdict, rest)
  }
  // Where JSON has escaped something, what is to be hidden may read otherwise than it does in the text.
  const escaped = rest.includes('\\') && hidden.mayBeIn(verdict.statement.text)
  if (verdict.allow && !escaped && !hidden.mayBeIn(rest)) return rest
  return verdictMembers(verdict, text => hidden.redact(text))
}

/** `redact` takes out what a session has to hide; without it, only passwords in SQL are gone. */
function verdictMembers(verdict: Verdict, redact: (text: string) => string = asItIs): string {
  const { kind, text, touches } = verdict.statement
  const judged =
    verdict.allow && redact === asItIs
      ? allowed(touches, verdict.again !== undefined)
      : judgedMembers(touches, verdict, redact)
  return `"kind":${json(redact(kind))},${textMembers(text, redact)},${judged}`
}

const asItIs = (text: string): string => text

function textMembers(text: string, redact: (text: string) => string): string {
  if (text.length <= longestText) return `"text":${json(redact(redactPasswords(text)))}`
  return members({
    text: redact(redactPasswords(text.slice(0, longestText))),
    text_bytes: Buffer.byteLength(text),
    text_digest: digestOf(text),
  })
}

/** Statements that differ in their literals share what they touch: it is written down once. */
const ready = new WeakMap<readonly Touch[], string>()

function allowed(touches: readonly Touch[], again: boolean): string {
  const known = again ? ready.get(touches) : undefined
  if (known !== undefined) return known
  const judged = `"touches":${json(touches.map(({ act, on }) => ({ act, on })))},"verdict":"allow"`
  if (again) ready.set(touches, judged)
  return judged
}

function judgedMembers(touches: readonly Touch[], verdict: Verdict, redact: (text: string) => string) {
  return members({
    touches: touches.map(({ act, on }) => ({ act, on: redact(on) })),
    verdict: verdict.allow ? 'allow' : 'refused',
    ...(verdict.allow
      ? {}
      : { reason: verdict.denial.code, detail: redact(redactPasswords(verdict.denial.detail)) }),
  })
}

/** To the microsecond. Whole numbers are written down several times faster than others. */
function millis(ms: number): string {
  const micros = Math.round(ms * 1000)
  return `${Math.floor(micros / 1000)}.${thousandths(micros)}`
}

/** The names of a result's columns, for {@link resultMembers}. */
export const columnsOf = (columns: readonly string[], redact: (text: string) => string): string =>
  `[${columns.map(name => json(redact(name))).join(',')}]`

/**
 * Each member behind a comma. They are joined rather than an object serialised: this runs for every statement. `columns` and
 * `tag` are ready-made.
 */
export function resultMembers(
  { rows, bytes, ms, digest, truncated, error }: Result,
  columns: string | undefined,
  tag: string | undefined,
  redact: (text: string) => string,
): string {
  let joined = ''
  if (rows !== undefined) joined += `,"rows":${rows}`
  if (bytes !== undefined) joined += `,"bytes":${bytes}`
  if (ms !== undefined) joined += `,"ms":${millis(ms)}`
  if (columns !== undefined) joined += `,"columns":${columns}`
  if (digest !== undefined) joined += `,"digest":"${digest}"`
  if (truncated !== undefined) joined += `,"truncated":${truncated}`
  if (tag !== undefined) joined += `,"tag":${tag}`
  if (error !== undefined)
    joined += `,"error":${json({ code: redact(error.code), message: redact(redactPasswords(error.message)) })}`
  return joined
}

/** `best_effort`: a command need be neither typed nor shown, and what is typed and shown need not be one. */
export function echoedMembers(line: Uint8Array, hidden: Hidden): string {
  const { data, encoding } = textOrBase64(Buffer.from(line))
  return members(
    encoding === undefined
      ? { line: hidden.redact(redactPasswords(data)), best_effort: true }
      : { line: hidden.redactBytes(line).toString('base64'), encoding, best_effort: true },
  )
}

/** Bytes that are characters, none of which a reader of lines takes for anything else. */
const ascii = /^[\0-~]*$/

export function parameterMembers(parameters: Uint8Array, hidden: Hidden): string {
  if (parameters.length <= 256) {
    // As most are: short, and nothing in them to hide.
    const text = Buffer.from(parameters.buffer, parameters.byteOffset, parameters.length).toString('latin1')
    if (ascii.test(text) && !hidden.mayBeIn(text)) return `"parameters":${JSON.stringify(text)}`
  }
  // Redacted before it is cut: half a secret is one too.
  const redacted = hidden.redactBytes(parameters.subarray(0, longestParameters * 2))
  const kept = redacted.subarray(0, longestParameters)
  const { data, encoding } = textOrBase64(kept)
  const cut = kept.length < redacted.length || parameters.length > longestParameters * 2
  return [
    `"parameters":${json(data)}`,
    ...(encoding === undefined ? [] : [`"parameters_encoding":"${encoding}"`]),
    ...(cut
      ? [`"parameters_bytes":${parameters.length}`, `"parameters_digest":"${digestOf(parameters)}"`]
      : []),
  ].join(',')
}
