/**
 * TLS as PostgreSQL does it, both sides: after an SSLRequest, or at once with ALPN (libpq's sslnegotiation=direct).
 * The client's side shows the door's certificate; the upstream's side never goes back to plaintext (attack 222).
 */
import type { Socket } from 'node:net'
import { connect, type SecureContext, TLSSocket } from 'node:tls'
import { Gone } from './inbox.ts'
import { Violation } from './wire.ts'

const ALPN = 'postgresql'

/** A TLS record's first byte: no startup packet may begin so. */
export const isDirectTls = (first: number): boolean => first === 0x16

export function encrypt(
  socket: Socket,
  context: SecureContext,
  direct: boolean,
  grace: number,
): Promise<TLSSocket> {
  const secure = new TLSSocket(socket, { isServer: true, secureContext: context, ALPNProtocols: [ALPN] })
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => fail('the TLS handshake took too long'), grace)
    const failed = (): void => fail('the TLS handshake failed')
    const fail = (why: string): void => {
      clearTimeout(late)
      secure.destroy()
      reject(new Gone(why))
    }
    secure.once('error', failed)
    secure.once('close', failed)
    secure.once('secure', () => {
      clearTimeout(late)
      secure.off('error', failed)
      secure.off('close', failed)
      // Without ALPN another protocol's TLS bytes could be replayed here (ALPACA; PostgreSQL 17 demands it too).
      if (direct && secure.alpnProtocol !== ALPN) {
        secure.destroy()
        reject(new Violation('direct TLS needs ALPN postgresql'))
      } else resolve(secure)
    })
  })
}

/** What a target's `tls` says, with the CA read. */
export interface UpstreamTls {
  readonly mode: 'require' | 'verify-full'
  readonly host: string
  readonly ca?: string
}

/** TLS over a socket whose server has just said `S`. */
export function encryptUpstream(
  socket: Socket,
  { mode, host, ca }: UpstreamTls,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const verified = mode === 'verify-full'
  return new Promise((resolve, reject) => {
    const secure = connect({
      socket,
      host,
      // SNI and the name check both need a name; an address is checked as one.
      ...(/^[0-9.]+$|:/.test(host) ? {} : { servername: host }),
      ALPNProtocols: [ALPN],
      rejectUnauthorized: verified,
      ...(ca === undefined ? {} : { ca }),
    })
    const stop = (): void => {
      secure.destroy()
    }
    signal.addEventListener('abort', stop, { once: true })
    const failed = (error?: Error): void => {
      signal.removeEventListener('abort', stop)
      secure.destroy()
      reject(error ?? new Gone('the connection was closed during the TLS handshake'))
    }
    secure.once('error', failed)
    secure.once('close', failed)
    secure.once('secureConnect', () => {
      signal.removeEventListener('abort', stop)
      secure.off('error', failed)
      secure.off('close', failed)
      resolve(secure)
    })
  })
}
