/**
 * A WebSocket: the handshake passed on without extensions, then frames piped both ways under backpressure, recorded, the
 * lease's values taken out of what the server sends. At the cut the client gets a close frame 1001 that says why, if
 * it can be put between two frames, and both sockets end (attack 142).
 */
import { performance } from 'node:perf_hooks'
import type { Duplex } from 'node:stream'
import { type Denial, GatewayError, Refused, refuse, sayOf } from '../../denial.ts'
import { refusedBy } from '../../ending.ts'
import { type Recorder, RecordingLost, type Result, type Seq, type Verdict } from '../../recording/record.ts'
import type { Ending } from '../../words.ts'
import type { RequestClient, Session } from '../protocol.ts'
import { guarding } from './answer.ts'
import type { Sending } from './connection.ts'
import { closeFrame, FrameError, Frames } from './frames.ts'
import type { Head } from './guard.ts'
import { type FlatHeaders, valuesOf } from './headers.ts'
import { cleaned } from './messages.ts'
import { type Refusal, refusalText } from './refuse.ts'
import { onwardOf, type Passing, record } from './serve.ts'
import type { HttpUpstream } from './upstream.ts'

/** Told of payloads, unmasked, in pieces; `last` ends a message. */
export interface Messages {
  fromClient(payload: Buffer, last: boolean, opcode: number): void
  fromServer(payload: Buffer, last: boolean, opcode: number): void
  end(result: Result): void
}

type Upgrading = RequestClient & { kind: 'upgrade' }
type Live = Session<unknown, HttpUpstream>

/** How long a peer may take over the close frame before its socket is destroyed. */
const goodbye = 200

export async function upgrade(
  client: Upgrading,
  session: Live,
  { rawHeaders }: Pick<Head, 'rawHeaders'>,
  verdict: Verdict,
  passing: Passing,
  dialect: { refuse(denial: Denial): Refusal },
): Promise<void> {
  const { socket } = client
  socket.on('error', () => undefined)
  const say = (denial: Denial) => void socket.end(refusalText(dialect.refuse(denial)))
  const handshake = handshakeOf(rawHeaders)
  if (handshake instanceof Refused) return say(handshake.denial)
  const unready = await session.upstream.ready()
  if (unready !== undefined) return say(unready.denial)
  const of = record(session, verdict)
  if (of instanceof Refused) return say(of.denial)
  const messages = (passing.messages ?? digested)(session.recorder, of)
  const startedAt = performance.now()
  const head = { method: 'GET', rawHeaders }
  const { path, headers } = onwardOf(client, session, head, {
    ...passing,
    set: [...(passing.set ?? []), ...handshake],
  })
  const opened = await open(session, path, headers, socket)
  if (opened instanceof Refused) {
    const { code, detail } = opened.denial
    messages.end({ error: { code, message: detail } })
    return say(opened.denial)
  }
  const accepted = acceptOf(opened.headers)
  session.upstream.keep(opened.socket)
  socket.write(Buffer.from(`HTTP/1.1 101 Switching Protocols\r\n${accepted}\r\n`, 'latin1'))
  const { error, defect } = await pipe(client, opened.socket, session, messages)
  messages.end({ tag: '101', ms: performance.now() - startedAt, ...(error === undefined ? {} : { error }) })
  // Whoever serves us writes it down.
  if (defect !== undefined) throw defect
}

/** What a record has of a WebSocket unless its protocol knows more. */
function digested(recorder: Recorder, of: Seq): Messages {
  const stream = recorder.stream(of, { kind: 'digest', what: 'websocket' })
  return {
    fromClient: payload => stream.input(payload),
    fromServer: payload => stream.output(payload),
    end: result => stream.end(result),
  }
}

/** Key, version and sub-protocols; never an extension: a deflated frame hides what is in it, and may be a bomb. */
function handshakeOf(rawHeaders: readonly string[]): FlatHeaders | Refused {
  const [key, another] = valuesOf(rawHeaders, 'sec-websocket-key')
  const [version] = valuesOf(rawHeaders, 'sec-websocket-version')
  if (key === undefined || another !== undefined || !/^[A-Za-z0-9+/]{22}==$/.test(key) || version !== '13')
    return refuse('protocol_violation', 'no WebSocket handshake of version 13')
  const protocols = valuesOf(rawHeaders, 'sec-websocket-protocol').join(', ')
  const set = ['sec-websocket-key', key, 'sec-websocket-version', '13']
  return protocols === '' ? set : [...set, 'sec-websocket-protocol', protocols]
}

function open(
  { upstream, signal }: Live,
  path: string,
  headers: FlatHeaders,
  client: Duplex,
): Promise<{ headers: FlatHeaders; socket: Duplex } | Refused> {
  return new Promise(resolve => {
    const settle = (answer: { headers: FlatHeaders; socket: Duplex } | Refused) => {
      signal.removeEventListener('abort', cut)
      client.removeListener('close', gone)
      resolve(answer)
      if (answer instanceof Refused) sending?.abort()
    }
    const cut = () => settle(refusedBy(signal.reason as Ending))
    const gone = () => settle(refuse('request_invalid', 'the client left during the handshake'))
    let sending: Sending | undefined
    signal.addEventListener('abort', cut, { once: true })
    client.once('close', gone)
    if (signal.aborted) return cut()
    sending = upstream.send(
      { method: 'GET', path, headers, body: undefined, upgrade: true },
      {
        onSwitched(answered, socket) {
          if (valuesOf(answered, 'sec-websocket-extensions').length === 0)
            return settle({ headers: answered, socket })
          socket.destroy()
          settle(refuse('upstream_refused', 'an extension nobody asked for'))
        },
        onHead(status) {
          const say = `the target answered ${status} and opened no WebSocket`
          settle(refuse('upstream_refused', say, { say }))
        },
        onData: () => undefined,
        onEnd: () => undefined,
        onError: error => settle(refuse('upstream_unreachable', error.message.slice(0, 500))),
      },
    )
  })
}

function acceptOf(headers: FlatHeaders): string {
  const lines = ['upgrade: websocket', 'connection: Upgrade']
  for (let at = 0; at + 1 < guarding.length; at += 2) lines.push(`${guarding[at]}: ${guarding[at + 1]}`)
  for (const name of ['sec-websocket-accept', 'sec-websocket-protocol']) {
    const [value] = valuesOf(headers, name)
    if (value !== undefined && /^[\x20-\x7e]+$/.test(value)) lines.push(`${name}: ${value}`)
  }
  return `${lines.join('\r\n')}\r\n`
}

/** What a piece was refused for: by the frames, by the protocol's own judge, or for want of a record. */
function brokenOff(thrown: unknown): {
  readonly code: string
  readonly close: number
  readonly message: string
} {
  if (thrown instanceof FrameError)
    return { code: 'protocol_violation', close: thrown.code, message: thrown.message }
  if (thrown instanceof GatewayError && !(thrown instanceof RecordingLost))
    return { code: thrown.denial.code, close: 1008, message: sayOf(thrown.denial) }
  return { code: 'protocol_violation', close: 1011, message: 'the gateway cannot go on' }
}

interface Piped {
  readonly error: Result['error']
  /** What is our own fault. */
  readonly defect: unknown
}

/** Resolves when both sockets are done with. */
function pipe(
  { socket: near, head }: Upgrading,
  far: Duplex,
  { signal, upstream, recorder }: Live,
  messages: Messages,
): Promise<Piped> {
  const outward = new Frames('client', (payload, last, opcode) => {
    messages.fromClient(payload, last, opcode)
    return payload
  })
  const homeward = new Frames(
    'server',
    cleaned(upstream.secrets, (clean, last, opcode) => messages.fromServer(clean, last, opcode)),
  )
  return new Promise(resolve => {
    let error: Result['error']
    let defect: unknown
    let isOver = false
    const finish = () => {
      signal.removeEventListener('abort', cut)
      near.destroy()
      far.destroy()
      resolve({ error, defect })
    }
    const close = (code: number, reason: string) => {
      if (isOver) return
      isOver = true
      near.pause()
      far.pause()
      if (homeward.atBoundary) near.end(closeFrame(code, reason, 'server'))
      if (outward.atBoundary) far.end(closeFrame(code, reason, 'client'))
      setTimeout(finish, goodbye)
    }
    const cut = () => {
      // It ends for a reason of its own already, which is the one to be recorded.
      if (isOver) return
      const { why, text } = signal.reason as Ending
      error = { code: why, message: text }
      close(1001, text)
    }
    const through = (frames: Frames, to: Duplex, from: Duplex) => (chunk: Buffer) => {
      if (isOver) return
      try {
        const bytes = frames.push(chunk)
        if (frames === outward) recorder.flush()
        if (!to.write(bytes)) from.pause()
      } catch (thrown) {
        const { code, close: closing, message } = brokenOff(thrown)
        error = { code, message }
        if (!(thrown instanceof FrameError || thrown instanceof GatewayError)) defect = thrown
        close(closing, message)
      }
    }
    signal.addEventListener('abort', cut, { once: true })
    for (const [from, to, frames] of [
      [near, far, outward],
      [far, near, homeward],
    ] as const) {
      from.on('error', () => undefined)
      from.on('data', through(frames, to, from))
      to.on('drain', () => from.resume())
      from.once('end', () => to.end())
      from.once('close', () => {
        if (!isOver) finish()
      })
    }
    if (head.length > 0) near.unshift(head)
    if (signal.aborted) cut()
    near.resume()
    far.resume()
  })
}
