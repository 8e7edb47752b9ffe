/**
 * The requests of one HTTP/1.1 connection one after the other, each in a later turn of the loop than the one before it was
 * answered in. Node hands over at once all that one read holds, and a thousand connections with sixty requests in each of
 * their reads would hold up everybody's cut for seconds (attack 200). No client in use pipelines at all; whoever has more
 * than this waiting, each of which could be one that takes long, is sent away.
 */
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'

const mostWaiting = 63

interface Line {
  busy: boolean
  readonly waiting: (() => void)[]
}

const lines = new WeakMap<Socket, Line>()

export function inTurn(onRequest: RequestListener): RequestListener {
  return (request, response) => {
    const { socket } = request
    const line = lineOf(socket)
    const begin = () => {
      line.busy = true
      response.once('close', () => next(socket, line))
      void onRequest(request, response)
    }
    if (!line.busy) begin()
    else if (line.waiting.length < mostWaiting) line.waiting.push(begin)
    else socket.destroy()
  }
}

function lineOf(socket: Socket): Line {
  const known = lines.get(socket)
  if (known !== undefined) return known
  const line: Line = { busy: false, waiting: [] }
  lines.set(socket, line)
  return line
}

function next(socket: Socket, line: Line): void {
  const begin = line.waiting.shift()
  if (begin === undefined) line.busy = false
  else setImmediate(() => socket.destroyed || begin())
}
