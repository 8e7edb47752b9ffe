/**
 * What goes through an exec, an attach or a port-forward over a WebSocket (`v5.channel.k8s.io`): the first byte of each
 * message names its channel. A terminal becomes an asciicast, everything else digests; what is typed in a terminal is not kept.
 */
import { GatewayError, refuse } from '../../denial.ts'
import type { Recorder, Result, Seq } from '../../recording/record.ts'
import type { Messages } from '../http/index.ts'

const STDIN = 0
const STDOUT = 1
const STDERR = 2
const STATUS = 3
const RESIZE = 4
const longestControl = 4096
/** A frame that goes on with a message. */
const continuation = 0
/** Of a WebSocket's own frames: close, ping, pong. */
const firstControl = 8

export interface Streamed {
  /** The command, or what else it is. */
  readonly title: string
  readonly tty: boolean
  /** Channels are pairs a port, data and error, and hold no status. */
  readonly ports: boolean
}

export function streamMessages({ title, tty, ports }: Streamed): (recorder: Recorder, of: Seq) => Messages {
  return (recorder, of) => {
    const stream = recorder.stream(
      of,
      tty ? { kind: 'terminal', cols: 80, rows: 24, term: 'xterm', title } : { kind: 'digest', what: title },
    )
    let status = ''
    const resized = whole(text => {
      const { Width: cols, Height: rows } = JSON.parse(text) as { Width?: unknown; Height?: unknown }
      if (typeof cols === 'number' && typeof rows === 'number') stream.resize(cols, rows)
    })
    return {
      fromClient: byChannel((channel, bytes, last) => {
        if (ports) stream.input(bytes)
        else if (channel === STDIN && !tty) stream.input(bytes)
        else if (channel === RESIZE && tty) resized(bytes, last)
      }),
      fromServer: byChannel((channel, bytes) => {
        if (ports || channel === STDOUT) stream.output(bytes)
        else if (channel === STDERR) stream.output(bytes, 'stderr')
        else if (channel === STATUS && status.length < longestControl) status += bytes.toString('latin1')
      }),
      end: result => stream.end({ ...result, ...exitOf(status) }),
    }
  }
}

/**
 * Pieces of messages, each with the channel that its message began with. A message is one frame: the API server takes each
 * frame for a message of its own, so input in a fragment behind another channel's would be no input to the recording.
 */
function byChannel(told: (channel: number, bytes: Buffer, last: boolean) => void): Messages['fromClient'] {
  let channel: number | undefined
  return (payload, last, opcode) => {
    // A close frame begins with its code, and is no message.
    if (opcode >= firstControl) return
    if (opcode === continuation) throw fragmented()
    const begins = channel === undefined
    channel ??= payload[0]
    if (channel !== undefined) told(channel, begins ? payload.subarray(1) : payload, last)
    if (last) channel = undefined
  }
}

function fragmented(): GatewayError {
  const say = 'a message in several frames, which the API server reads as several messages'
  return new GatewayError(refuse('statement_unparsable', say, { say }).denial, undefined)
}

/** A short message that comes in pieces; one that cannot be read says nothing. */
function whole(read: (text: string) => void): (bytes: Buffer, last: boolean) => void {
  let text = ''
  return (bytes, last) => {
    if (text.length < longestControl) text += bytes.toString('latin1')
    if (!last) return
    try {
      read(text)
    } catch {
      // The container sees it all the same; the recording keeps the size that it had.
    }
    text = ''
  }
}

/** `{"status":"Success"}`, or a Failure with the exit code among its causes. */
function exitOf(status: string): Pick<Result, 'tag'> {
  try {
    const said = JSON.parse(status) as {
      status?: string
      details?: { causes?: { reason?: string; message?: string }[] }
    }
    const code = said.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message
    if (said.status === 'Success') return { tag: 'exit 0' }
    return code !== undefined && /^[0-9]{1,3}$/.test(code) ? { tag: `exit ${code}` } : {}
  } catch {
    return {}
  }
}
