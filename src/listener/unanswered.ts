/**
 * How many requests one HTTP/1.1 connection may have that are not answered yet. They are answered in order, so a first one
 * that takes long holds all behind it, each with what it has asked of a target: a client that pipelines on and on would
 * fill the memory with them. No client in use pipelines at all; whoever goes beyond is sent away.
 */
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'

const mostUnanswered = 64

const waiting = new WeakMap<Socket, number>()

export function counted(onRequest: RequestListener): RequestListener {
  return (request, response) => {
    const { socket } = request
    const before = waiting.get(socket) ?? 0
    if (before >= mostUnanswered) return void socket.destroy()
    waiting.set(socket, before + 1)
    response.on('close', () => waiting.set(socket, (waiting.get(socket) ?? 1) - 1))
    return onRequest(request, response)
  }
}
