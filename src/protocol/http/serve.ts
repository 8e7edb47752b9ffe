/**
 * One request at a request door, for any protocol that speaks HTTP: its credential, the pipeline, the protocol's verdict,
 * the record, and only then a byte upstream (invariant 7). What protocols differ in is their {@link Dialect}.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { type Denial, Refused, refuse } from '../../denial.ts'
import { recordingLost, refusedBy } from '../../ending.ts'
import { type Recorder, RecordingLost, type Seq, type Verdict } from '../../recording/record.ts'
import type { Narrowed } from '../../words.ts'
import type { Client, Door, RequestClient, Session } from '../protocol.ts'
import { Body, readWhole, signedBody, smallBody } from './body.ts'
import { readCredential } from './credential.ts'
import { Exchange, type Onward } from './exchange.ts'
import { bodyTooLarge, type Head } from './guard.ts'
import { readHead } from './head.ts'
import { type FlatHeaders, lowered, sieve } from './headers.ts'
import { type Refusal, refusalText } from './refuse.ts'
import { onceGone, responseSink, streamOf } from './respond.ts'
import type { Filter } from './scrub.ts'
import { onceWritten } from './turn.ts'
import { type Messages, upgrade } from './upgrade.ts'
import type { HttpUpstream } from './upstream.ts'

export interface Dialect<Scope> {
  judge(head: Head, scope: Narrowed<Scope>): Judged
  refuse(denial: Denial): Refusal
}

export interface Judged {
  readonly verdict: Verdict
  /** How an allowed request goes on; undefined for a refused one. */
  readonly passing?: Passing
}

export interface Passing {
  /** Path and query as they go on, below the target's url: what was judged. */
  readonly path: string
  /** Client headers beside the usual ones. */
  readonly headers: readonly string[]
  /** Headers that the protocol sets itself. */
  readonly set?: FlatHeaders
  readonly maxBody: number
  readonly maxResponse: number
  /** What else must happen to an answer's bytes. */
  readonly answer?: (status: number, headers: IncomingHttpHeaders) => Filter | Refused | undefined
  /** The body has a say: it is read whole, judged, and what goes on is what was judged. */
  readonly whole?: Whole
  /** How a WebSocket's messages are recorded; without it as a digest. */
  readonly messages?: (recorder: Recorder, of: Seq) => Messages
}

export interface Whole {
  /** Bytes; more is refused. */
  readonly most: number
  judge(body: Buffer | undefined): { readonly verdict: Verdict; readonly body?: Buffer }
}

type Entered<Scope> = Session<Scope, HttpUpstream>

export async function serveRequests<Scope>(
  client: Client,
  door: Door<Scope, HttpUpstream>,
  dialect: Dialect<Scope>,
): Promise<void> {
  if (client.kind === 'stream') return void client.socket.destroy()
  const say = (denial: Denial) => tell(client, denial, dialect)
  const headers = lowered(client.request.rawHeaders)
  const shown = readCredential(headers, client.connection)
  if (shown instanceof Refused) {
    door.note(shown)
    return say(shown.denial)
  }
  const session = await door.enter(shown)
  if (session instanceof Refused) return say(session.denial)
  const head = readHead(client.kind, client.request, headers)
  if (head instanceof Refused) {
    door.note(head, shown.user)
    return say(head.denial)
  }
  const { verdict, passing } = leaseless(head, session.upstream, dialect.judge(head, session.scope))
  if (!verdict.allow || passing === undefined) {
    const recorded = record(session, verdict)
    return say(recorded instanceof Refused || verdict.allow ? lost(session) : verdict.denial)
  }
  const place = placeOf(session, verdict)
  if (place instanceof Refused) return say(place.denial)
  using _place = place
  if (client.kind === 'upgrade') await upgrade(client, session, head, verdict, passing, dialect)
  else await relay(client, session, head, verdict, passing, dialect)
}

/** What is one too many is recorded as refused, as anything else that is. */
export function placeOf<Scope>(session: Entered<Scope>, { statement }: Verdict): Disposable | Refused {
  const place = session.upstream.place()
  if (!(place instanceof Refused)) return place
  const recorded = record(session, { allow: false, statement, denial: place.denial })
  return recorded instanceof Refused ? recorded : place
}

/** Two values of the parameter that is the lease's, and a target may take the client's. */
export function leaseless({ target }: Head, { parameter }: HttpUpstream, judged: Judged): Judged {
  const { verdict } = judged
  const own = parameter !== undefined && 'names' in target && target.names.includes(parameter)
  if (!own || !verdict.allow) return judged
  const say = `the query parameter ${parameter} is the gateway's to set`
  const { denial } = refuse('statement_refused', say, { say })
  return { verdict: { allow: false, statement: verdict.statement, denial } }
}

async function relay<Scope>(
  client: RequestClient & { kind: 'request' },
  session: Entered<Scope>,
  head: Head,
  verdict: Verdict,
  passing: Passing,
  dialect: Dialect<Scope>,
): Promise<void> {
  const { request, response } = client
  const sink = responseSink(response, head.contentType, denial => dialect.refuse(denial))
  const say = (denial: Denial) => sink.refuse(denial)
  // Over HTTP/2 Node has done it.
  if (request.headers.expect !== undefined && streamOf(response) === undefined) response.writeContinue()
  const { upstream } = session
  const most = wholeBody(upstream, passing)
  const small = head.length !== undefined && head.length <= smallBody
  if (most !== undefined && head.length !== undefined && head.length > most) return say(bodyTooLarge(most))
  const came =
    most !== undefined || (small && head.length > 0) ? await readWhole(request, most ?? smallBody) : undefined
  if (came instanceof Refused) return say(came.denial)
  const awaited = upstream.ready()
  const unready = awaited && (await awaited)
  if (unready !== undefined) return say(unready.denial)
  // Reading took a while, and the grant may be over.
  if (session.signal.aborted) return say(refusedBy(session.signal.reason).denial)
  const judged = passing.whole?.judge(came) ?? { verdict }
  if (!judged.verdict.allow) {
    const recorded = record(session, judged.verdict)
    return say(recorded instanceof Refused ? lost(session) : judged.verdict.denial)
  }
  const body = judged.body ?? came
  const of = session.recorder.statement(judged.verdict, body)
  const recorded =
    small || most !== undefined ? undefined : session.recorder.stream(of, { kind: 'digest', what: 'body' })
  const through =
    recorded &&
    new Body(
      request,
      passing.maxBody,
      { recorder: session.recorder, stream: recorded },
      {
        onWrong: denial => exchange.refuse(denial),
        onDefect: defect => exchange.fail(defect),
      },
    )
  const onward: Onward = {
    ...onwardOf(client, session, head, passing),
    body: body ?? through,
    length: through === undefined ? undefined : head.length,
    recorded,
  }
  const exchange = new Exchange(session, of, onward, sink)
  const out = streamOf(response) ?? response
  out.on('drain', () => exchange.drained())
  onceGone(response, () => exchange.abandon())
  onceWritten(session.recorder, error => {
    if (error instanceof RecordingLost) void session.end(recordingLost(error))
    else if (error !== undefined) return exchange.fail(error)
    exchange.run()
  })
  await exchange.over
}

/** How much of a body is held before it goes on; undefined where it need not be. */
function wholeBody({ wantsBody }: HttpUpstream, { whole, maxBody }: Passing): number | undefined {
  if (whole === undefined && !wantsBody) return undefined
  return Math.min(maxBody, whole?.most ?? signedBody, wantsBody ? signedBody : maxBody)
}

/** Of an answer that is changed the client has no tag: with one it could only try what the original is. Writes keep theirs. */
const guesses = new Set(['if-match', 'if-none-match', 'if-range'])

/** All of an {@link Onward} that does not depend on the body. */
export function onwardOf<Scope>(
  { connection }: Pick<RequestClient, 'connection'>,
  { upstream }: Pick<Entered<Scope>, 'upstream'>,
  { method, rawHeaders }: Pick<Head, 'method' | 'rawHeaders'>,
  { path, headers, set = [], maxResponse, answer }: Passing,
): Omit<Onward, 'body'> {
  const own = set.filter((_, at) => at % 2 === 0).map(name => name.toLowerCase())
  const isRead = method === 'GET' || method === 'HEAD'
  const taken = (name: string) =>
    upstream.sets(name) || own.includes(name) || (answer !== undefined && isRead && guesses.has(name))
  return {
    method,
    path,
    headers: sieve(rawHeaders, headers, taken).concat(set),
    maxResponse,
    door: `/c/${connection}`,
    ...(answer === undefined ? {} : { answer }),
  }
}

/** The record is written when this returns. A recording that is lost ends the session. */
export function record(
  session: { readonly recorder: Recorder; end: Session<unknown, HttpUpstream>['end'] },
  verdict: Verdict,
  body?: Buffer,
): Seq | Refused {
  try {
    const of = session.recorder.statement(verdict, body)
    session.recorder.flush()
    return of
  } catch (error) {
    if (!(error instanceof RecordingLost)) throw error
    const ending = recordingLost(error)
    void session.end(ending)
    return refusedBy(ending)
  }
}

function lost({ signal }: Pick<Entered<unknown>, 'signal'>): Denial {
  return signal.aborted
    ? refusedBy(signal.reason).denial
    : refuse('internal_error', 'allowed, and no way on').denial
}

function tell(client: RequestClient, denial: Denial, dialect: Pick<Dialect<never>, 'refuse'>): void {
  if (client.kind === 'upgrade') return void client.socket.end(refusalText(dialect.refuse(denial)))
  const { request, response } = client
  responseSink(response, request.headers['content-type'], one => dialect.refuse(one)).refuse(denial)
}
