/**
 * The socket to a target, before anybody speaks PostgreSQL on it: connected within a deadline, encrypted as the target
 * says, never downgraded. Bytes go to whoever is set as reader: the handshake's inbox first, then the relay.
 */
import { readFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { buffersFor, type Reader as SocketReader } from '../reads.ts'
import { endPointOf } from './binding.ts'
import { Gone } from './inbox.ts'
import type { PostgresTarget } from './target.ts'
import { encryptUpstream } from './tls.ts'
import { Violation } from './wire.ts'

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

export interface Link {
  readonly wire: Duplex
  /** What SCRAM can be bound to: the certificate that the target showed. */
  readonly endPoint: Buffer | null
  reader: Reader
  pause(): void
  resume(): void
  destroy(): void
}

export interface Reader extends SocketReader {
  over(error: Error): void
}

/** Nobody reads yet: what comes then is unasked and lost. */
const nobody: Reader = { take: () => undefined, over: () => undefined }

export async function openLink(target: PostgresTarget, signal: AbortSignal): Promise<Link> {
  return target.tls.mode === 'disable' ? plain(target, signal) : encrypted(target, signal)
}

async function plain(target: PostgresTarget, signal: AbortSignal): Promise<Link> {
  let link: Link | null = null
  const onread = buffersFor(
    chunk => link?.reader.take(chunk),
    () => link?.reader.keeps?.() ?? false,
  )
  const socket = connect({ host: target.host, port: target.port, onread })
  await connected(socket, signal)
  link = made(socket, null)
  return link
}

async function encrypted(target: PostgresTarget, signal: AbortSignal): Promise<Link> {
  const { tls, host, port } = target
  if (tls.mode === 'disable') throw new TypeError('a plain target has no TLS')
  const ca = tls.mode === 'verify-full' && tls.ca !== undefined ? await readFile(tls.ca, 'utf8') : undefined
  const socket = connect({ host, port })
  await connected(socket, signal)
  try {
    await accepted(socket, signal)
    const secure = await encryptUpstream(
      socket,
      { mode: tls.mode, host, ...(ca === undefined ? {} : { ca }) },
      signal,
    )
    const link = made(secure, endPointOf(secure.getPeerX509Certificate()))
    secure.on('data', (chunk: Buffer) => link.reader.take(chunk))
    return link
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function made(wire: Socket, endPoint: Buffer | null): Link {
  const link: Link = {
    wire,
    endPoint,
    reader: nobody,
    pause: () => {
      wire.pause()
    },
    resume: () => {
      wire.resume()
    },
    destroy: () => {
      wire.destroy()
    },
  }
  wire.setNoDelay(true)
  wire.setKeepAlive(true, 60_000)
  wire.on('error', error => link.reader.over(error))
  wire.on('end', () => link.reader.over(new Gone('the target closed the connection')))
  wire.on('close', () => link.reader.over(new Gone('the connection to the target was closed')))
  return link
}

function connected(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      socket.destroy()
      reject(new Gone('the target did not answer in time'))
    }
    if (signal.aborted) return stop()
    signal.addEventListener('abort', stop, { once: true })
    const failed = (error: Error): void => {
      signal.removeEventListener('abort', stop)
      reject(error)
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      signal.removeEventListener('abort', stop)
      socket.off('error', failed)
      resolve()
    })
  })
}

/** Asks for TLS. Anything but one `S` ends it: no plaintext fallback, no bytes that came before the switch. */
function accepted(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (error: Error | null): void => {
      signal.removeEventListener('abort', stop)
      socket.off('data', answer)
      socket.off('error', settle)
      socket.off('close', gone)
      socket.pause()
      if (error === null) resolve()
      else reject(error)
    }
    const stop = (): void => settle(new Gone('the target did not answer in time'))
    const gone = (): void => settle(new Gone('the target closed the connection'))
    const answer = (chunk: Buffer): void => {
      const yes = chunk.length === 1 && chunk[0] === 0x53
      settle(yes ? null : new Violation('the target does not offer TLS, which its configuration demands'))
    }
    signal.addEventListener('abort', stop, { once: true })
    socket.once('error', settle)
    socket.once('close', gone)
    socket.on('data', answer)
    socket.write(SSL_REQUEST)
  })
}
