/**
 * kubectl's port-forward: SPDY within a WebSocket, each connection a pair of streams whose headers name the port. Each is
 * judged and recorded before the frame that opens it is whole on the other side.
 */
import { GatewayError, refuse } from '../../denial.ts'
import type { Recorder, Seq } from '../../recording/record.ts'
import type { Messages } from '../http/index.ts'
import { type Headers, SpdyClient, SpdyError } from './spdy.ts'

/** `pod` is what the record says is reached: `shop/pods/web`. */
export function tunnelMessages(
  ports: readonly number[],
  pod: string,
): (recorder: Recorder, of: Seq) => Messages {
  return (recorder, of) => {
    const stream = recorder.stream(of, { kind: 'digest', what: `port-forward ${pod}` })
    const spdy = new SpdyClient(headers => judge(headers, ports, pod, recorder))
    return {
      fromClient(payload, _last, opcode) {
        if (opcode >= 8) return
        // Text is no part of the tunnel.
        if (opcode === 1) throw violation('a text message in a tunnel of bytes')
        stream.input(payload)
        try {
          spdy.push(payload)
        } catch (error) {
          throw error instanceof SpdyError ? violation(error.message) : error
        }
      },
      fromServer(payload, _last, opcode) {
        if (opcode < 8) stream.output(payload)
      },
      end: result => stream.end(result),
    }
  }
}

function judge(headers: Headers, ports: readonly number[], pod: string, recorder: Recorder): void {
  const port = headers.get('port') ?? ''
  const kind = headers.get('streamtype')
  const statement = {
    kind: 'port-forward',
    text: `${kind} stream to port ${port}`,
    touches: [{ act: 'forward', on: `${pod}:${port}` }],
  }
  const isPort = /^[1-9][0-9]{0,4}$/.test(port) && ports.includes(Number(port))
  if (isPort && (kind === 'data' || kind === 'error')) {
    // The error stream of a connection comes first, to the same port.
    if (kind === 'data') recorder.statement({ allow: true, statement })
    return
  }
  const say = `forwarding to port ${port.slice(0, 8)} is not in scope`
  const { denial } = refuse('statement_refused', say, { say })
  recorder.statement({ allow: false, statement, denial })
  throw new GatewayError(denial, undefined)
}

function violation(why: string): GatewayError {
  return new GatewayError(
    refuse('statement_unparsable', why, { say: `the tunnel cannot be read: ${why}` }).denial,
    undefined,
  )
}
