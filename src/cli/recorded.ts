/** One line of a recording as `replay` shows it: what was asked, what came of it and what was seen, for a person. Pure. */
import type { Line } from '../ledger/walk.ts'
import { visible } from './print.ts'

type Members = Readonly<Record<string, unknown>>

/** `12:00:05.120 statement 2 select: select * from orders`, and more lines, indented, for what is long. */
export function recordText(line: Line): string {
  const { time, type, seq, prev: _prev, ...rest } = line
  const head = `${time.slice(11, 23)} ${type}`
  switch (type) {
    case 'open':
      return `${head} ${opened(rest)}`
    case 'statement':
      return `${head} ${seq} ${statement(rest)}`
    case 'input':
    case 'output':
      return `${head} ${stream(rest)}`
    default:
      return `${head} ${pairs(rest)}`
  }
}

function opened({ session, connection, protocol, grant, identity, ...rest }: Members): string {
  const { subject, client, groups } = (identity ?? {}) as Members
  const who = { subject, client, groups }
  const lines = [pairs({ session, connection, protocol, grant, ...who })]
  for (const [name, value] of Object.entries(rest)) lines.push(`    ${pairs({ [name]: value })}`)
  return lines.join('\n')
}

/** Where lines of ours follow: a statement with a line of its own that says REFUSED must not pass for one that was. */
const beside = '    | '

function statement({ kind, text, verdict, reason, detail, parameters, ...rest }: Members): string {
  const lines = [`${visible(`${kind}`)}: ${inLines(`${text}`, beside)}`]
  if (verdict === 'refused') lines.push(`    REFUSED ${visible(`${reason}: ${detail}`)}`)
  if (parameters !== undefined) {
    const { parameters_encoding: as, parameters_bytes: of } = rest
    lines.push(`    parameters${note(as, of)}: ${inLines(`${parameters}`, beside)}`)
  }
  return lines.join('\n')
}

/** What went through a stream without a terminal: its kept beginning, piece by piece. */
function stream({ data, encoding, digest, ...rest }: Members): string {
  const shown = pairs(rest)
  return typeof data === 'string'
    ? `${shown}${note(encoding)}\n    ${inLines(data)}`
    : pairs({ ...rest, digest })
}

function note(encoding: unknown, bytes?: unknown): string {
  const said = [
    ...(encoding === undefined ? [] : [`${encoding}`]),
    ...(bytes === undefined ? [] : [`of ${bytes} bytes`]),
  ]
  return said.length === 0 ? '' : visible(` (${said.join(', ')})`)
}

/** Line ends and tabs are what they are; everything else that acts is shown. */
function inLines(text: string, indent = '    '): string {
  const line = (one: string) => one.split('\t').map(visible).join('\t')
  return text
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
    .map(line)
    .join(`\n${indent}`)
}

/** A scope has a dozen keys, most of them unset: what is null or an empty list says nothing. */
function given(name: string, value: unknown): unknown {
  // The value itself, and not one of its members.
  if (name === '') return value
  const empty = typeof value === 'object' && Object.keys(value ?? {}).length === 0
  return empty ? undefined : value
}

function pairs(members: Members): string {
  const said = Object.entries(members).filter(([, value]) => value !== undefined)
  return visible(
    said
      .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value, given)}`)
      .join(' '),
  )
}
