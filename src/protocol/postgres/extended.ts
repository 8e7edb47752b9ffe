/**
 * The extended protocol: Parse is judged once, each Bind is recorded with its parameters, and names are followed as the
 * server follows them, so that no Execute runs what was not judged (attack 93). After an error everything up to Sync is
 * skipped, as the server skips it (attack 94).
 */
import type { Verdict } from '../../recording/record.ts'
import type { ClientTurn } from './client-turn.ts'
import type { Judged } from './guard.ts'
import type { Line } from './line.ts'
import {
  changing,
  goesByName,
  goesBySame,
  isUncertain,
  type Names,
  parsedAs,
  ranInSql,
  type Texted,
} from './names.ts'
import { Owed, type Portal, type Prepared } from './owed.ts'
import { mayBeParameter } from './parameter-types.ts'
import { serverError } from './refuse.ts'
import { namesSettings, settingRefused } from './setting-names.ts'
import { FAILING, notUtf8, type RefusedVerdict, record, typedParameter } from './simple.ts'
import { executeRefused } from './sql-execute.ts'
import { Given } from './tally.ts'
import * as wire from './wire.ts'

/** Bytes of a Bind that are read at once. Parameters of a longer one are a stream of the recording. */
export const BIND_READ = 8 * 1024
const MAX_STATEMENTS = 2000
const MAX_PORTALS = 1000
/** Names of portals that a transaction has bound for a FETCH or an EXECUTE, most of them closed since. */
const MAX_INDIRECT = 50_000
/** Of what is held under names of either kind: two thousand times a longest statement is half a gigabyte. */
const MAX_CHARACTERS = 8 * 1024 * 1024
/** The server keeps 63 bytes of a name; two longer ones could mean the same. */
const MAX_NAME = 63
const STATEMENT = 0x53
const PORTAL = 0x50

const failingParse = wire.frame(wire.PARSE, `postern_refused\0${FAILING}\0`, Uint8Array.of(0, 0))

export function parse(turn: ClientTurn, bytes: Buffer, at: number, total: number): boolean {
  const { line } = turn
  const end = at + total
  const nameEnd = wire.endOfString(bytes, at + 5, end)
  const sqlEnd = wire.endOfString(bytes, nameEnd + 1, end)
  if (end - sqlEnd < 3 || end - sqlEnd - 3 !== 4 * bytes.readUInt16BE(sqlEnd + 1)) {
    throw new wire.Violation('a Parse lies about its length')
  }
  const name = nameAt(bytes, at + 5, nameEnd)
  const sql = wire.textAt(bytes, nameEnd + 1, sqlEnd)
  if (sql === null) return refuseParse(turn, at, total, name, notUtf8)
  for (let type = sqlEnd + 3; type < end; type += 4) {
    if (!mayBeParameter(bytes.readUInt32BE(type), line.scope.catalog))
      return refuseParse(turn, at, total, name, typedParameter)
  }
  if (isFull(line.statements, name, MAX_STATEMENTS)) {
    return fail(turn, at, total, serverError('54000', 'postern: too many prepared statements; close some'))
  }
  const verdict = line.guard.judge(sql)
  if (verdict instanceof Promise) {
    turn.drop(at, total)
    return turn.wait(verdict, judged => {
      if (!judged.allow) refuseWaiting(turn, name, judged)
      else {
        allowParse(turn, name, judged)
        turn.insert(bytes.subarray(at, end))
      }
      // Reading it cost what its Binds do not.
      turn.paced()
    })
  }
  if (verdict.allow) return allowParse(turn, name, verdict)
  refuseParse(turn, at, total, name, verdict)
  return turn.paced()
}

function allowParse(turn: ClientTurn, name: string, verdict: Verdict): true {
  const { line } = turn
  const { settings }: Judged = verdict
  parsedAs(line, name, verdict.statement.kind)
  const prepared: Prepared = {
    verdict,
    text: verdict.statement.text,
    seq: null,
    columns: undefined,
    doubtful: false,
    renamed: line.renamed,
    batch: line.batch,
    sure: false,
  }
  turn.recordLater(prepared)
  const owed = new Owed('parse', line.seq, line.time)
  owed.prepared = prepared
  owed.settles = prepared
  owed.change = changing(line.statements, name)
  line.statements.set(name, prepared)
  if (name !== '' && settings !== undefined) line.asker = true
  return send(turn, owed)
}

function refuseParse(
  turn: ClientTurn,
  at: number,
  total: number,
  name: string,
  verdict: RefusedVerdict,
): true {
  turn.drop(at, total)
  refuseWaiting(turn, name, verdict)
  return true
}

function refuseWaiting(turn: ClientTurn, name: string, verdict: RefusedVerdict): void {
  if (name === '') turn.line.statements.delete('')
  failNow(turn, record(turn, verdict))
}

export function bind(turn: ClientTurn, bytes: Buffer, at: number, total: number): boolean | 'again' {
  const { line } = turn
  const end = Math.min(at + total, bytes.length)
  const portalEnd = wire.endOfString(bytes, at + 5, end)
  const nameEnd = wire.endOfString(bytes, portalEnd + 1, end)
  const portalName = nameAt(bytes, at + 5, portalEnd)
  const name = nameAt(bytes, portalEnd + 1, nameEnd)
  const prepared = line.statements.get(name)
  if (prepared === undefined) return unknown(turn, at, total, 'prepared statement', name)
  if (isUncertain(prepared, line)) return turn.awaitAnswer()
  const { settings }: Judged = prepared.verdict
  if (settings !== undefined && !namesSettings(bytes, nameEnd + 1, end, settings))
    return fail(turn, at, total, record(turn, settingRefused(prepared.verdict)))
  const refused = executeRefused(line, prepared.verdict)
  if (refused !== undefined) return fail(turn, at, total, record(turn, refused))
  const indirect = portalName !== '' && goesByName(prepared.verdict.statement.kind)
  if (
    isFull(line.portals, portalName, MAX_PORTALS) ||
    (indirect && line.indirectPortals.size >= MAX_INDIRECT && !line.indirectPortals.has(portalName))
  ) {
    return fail(turn, at, total, serverError('54000', 'postern: too many portals; close some'))
  }
  const parameters = bytes.subarray(nameEnd + 1, end)
  const isLong = total > BIND_READ
  const seq = line.recorder.statement(prepared.verdict, isLong ? undefined : parameters)
  if (isLong) turn.recordBound(seq, parameters, at + total - end)
  line.seq = seq
  prepared.seq ??= seq
  if (portalName !== '') line.renamed++
  if (indirect) line.indirectPortals.add(portalName)
  const portal: Portal = {
    prepared,
    text: prepared.text,
    seq,
    plan: null,
    given: new Given(),
    renamed: line.renamed,
    batch: line.batch,
    sure: false,
  }
  const owed = new Owed('bind', seq, line.time)
  owed.settles = portal
  owed.change = changing(line.portals, portalName)
  line.portals.set(portalName, portal)
  send(turn, owed)
  if (line.masking) describeForMask(turn, portal, portalName, at + total)
  return turn.paced()
}

/** The mask goes by what the server says of the portal, so it is asked before the client can read from it. */
function describeForMask(turn: ClientTurn, portal: Portal, name: string, end: number): void {
  turn.stretch(end)
  turn.insert(wire.frame(wire.DESCRIBE, Uint8Array.of(PORTAL), Buffer.from(`${name}\0`, 'latin1')))
  const owed = new Owed('describe', portal.seq, turn.line.time)
  owed.portal = portal
  owed.prepared = portal.prepared
  owed.quiet = true
  send(turn, owed)
}

export function describe(turn: ClientTurn, bytes: Buffer, at: number, total: number): boolean {
  const { line } = turn
  const name = targetOf(bytes, at, total)
  const owed = new Owed('describe', line.seq, line.time)
  if (bytes[at + 5] === STATEMENT) {
    const prepared = line.statements.get(name)
    if (prepared === undefined || !mayDescribe(line, prepared, prepared))
      return unknown(turn, at, total, 'prepared statement', name)
    owed.prepared = prepared
  } else {
    const portal = line.portals.get(name)
    // A cursor that SQL declared is described too (psycopg does); it gives no rows that way.
    const may =
      portal === undefined ? !line.indirectPortals.has(name) : mayDescribe(line, portal, portal.prepared)
    if (!may) return unknown(turn, at, total, 'portal', name)
    owed.portal = portal ?? null
    owed.prepared = portal?.prepared ?? null
  }
  return send(turn, owed)
}

/** To describe a FETCH from a portal that is gone, a server follows a null pointer, and falls with all its sessions. */
function mayDescribe(line: Line, held: Prepared | Portal, { verdict }: Prepared): boolean {
  return (
    !goesByName(verdict.statement.kind) ||
    (goesBySame(held, line) && executeRefused(line, verdict) === undefined)
  )
}

export function execute(turn: ClientTurn, bytes: Buffer, at: number, total: number): boolean | 'again' {
  const nameEnd = wire.endOfString(bytes, at + 5, at + total)
  if (nameEnd + 5 !== at + total) throw new wire.Violation('an Execute lies about its length')
  const name = nameAt(bytes, at + 5, nameEnd)
  const { line } = turn
  const portal = line.portals.get(name)
  // A cursor that SQL made is a portal for the server too, but none that was judged here.
  if (portal === undefined) return unknown(turn, at, total, 'portal', name)
  if (isUncertain(portal, line)) return turn.awaitAnswer()
  const { verdict } = portal.prepared
  const { kind } = verdict.statement
  const refused = executeRefused(line, verdict)
  if (refused !== undefined) return fail(turn, at, total, record(turn, refused))
  // Its columns, and its mask, are those of what the name stood for when it was bound: over another's rows the server would
  // take their bytes for its types, and read its own memory.
  if (portal.renamed !== line.renamed && goesByName(kind)) return unknown(turn, at, total, 'portal', name)
  ranInSql(line, kind)
  portal.renamed = line.renamed
  const owed = new Owed('execute', portal.seq, line.time)
  owed.portal = portal
  return send(turn, owed)
}

export function close(turn: ClientTurn, bytes: Buffer, at: number, total: number): boolean {
  const { line } = turn
  const name = targetOf(bytes, at, total)
  const owed = new Owed('close', line.seq, line.time)
  const names: Names<Texted> = bytes[at + 5] === STATEMENT ? line.statements : line.portals
  owed.change = changing(names, name)
  names.delete(name)
  if (name !== '') line.renamed++
  return send(turn, owed)
}

/** Whether one more name may not be held. */
function isFull(names: Names<Texted>, name: string, most: number): boolean {
  if (names.size < most && (name === '' || names.characters < MAX_CHARACTERS)) return false
  return !names.has(name)
}

function send({ line }: ClientTurn, owed: Owed): true {
  line.owed.push(owed)
  line.unsynced = true
  return true
}

function unknown(
  turn: ClientTurn,
  at: number,
  total: number,
  what: 'portal' | 'prepared statement',
  name: string,
): true {
  const sqlstate = what === 'portal' ? '34000' : '26000'
  return fail(turn, at, total, serverError(sqlstate, `${what} "${name}" does not exist`))
}

function fail(turn: ClientTurn, at: number, total: number, told: Buffer): true {
  turn.drop(at, total)
  failNow(turn, told)
  return true
}

/** Told once. Where anything is under way the server must fail as well, in its turn: it is sent what it cannot parse. */
function failNow(turn: ClientTurn, told: Buffer): void {
  const { line } = turn
  line.skipping = true
  if (line.quiet && line.transaction !== wire.IN_TRANSACTION) {
    turn.tell(told)
    return
  }
  const owed = new Owed('parse', line.seq, line.time)
  owed.refusal = told
  send(turn, owed)
  turn.insert(failingParse)
}

/** The name in a Describe or Close, of a statement or a portal. */
function targetOf(bytes: Buffer, at: number, total: number): string {
  const kind = bytes[at + 5]
  if (kind !== STATEMENT && kind !== PORTAL)
    throw new wire.Violation('a Describe or Close of an unknown kind')
  const end = wire.endOfString(bytes, at + 6, at + total)
  if (end !== at + total - 1) throw new wire.Violation('a Describe or Close lies about its length')
  return nameAt(bytes, at + 6, end)
}

function nameAt(bytes: Buffer, from: number, to: number): string {
  if (to === from) return ''
  if (to - from > MAX_NAME)
    throw new wire.Violation('the name of a statement or portal is longer than 63 bytes')
  return bytes.toString('latin1', from, to)
}
