// The parts of ssh2's transport that wire.ts stands on; the package's own types cover its public face alone.
declare module 'ssh2/lib/protocol/Protocol.js' {
  interface Packets {
    allocStart: number
    allocStartKEX: number
    alloc(size: number, force?: boolean): Buffer
    finalize(packet: Buffer, force?: boolean): Buffer
  }
  export interface Direction {
    cipher: readonly string[]
    mac: readonly string[]
    compress: readonly string[]
    lang: readonly string[]
  }
  export interface Options {
    server: boolean
    hostKeys?: Record<string, unknown>
    ident: string
    offer: { kex: readonly string[]; serverHostKey: readonly string[]; cs: Direction; sc: Direction }
    hostVerifier?: (key: Buffer) => boolean
    onWrite(bytes: Buffer): void
    onError(error: Error): void
    onHeader(): void
    onHandshakeComplete(): void
    messageHandlers: Record<string, never>
  }
  export default class Protocol {
    constructor(options: Options)
    start(): void
    parse(chunk: Buffer, from: number, to: number): void
    cleanup(): void
    rekey(): void
    _onPayload: (payload: Buffer) => unknown
    readonly _packetRW: { readonly write: Packets }
    readonly _kex: { readonly sessionID: Buffer | undefined; remoteExtInfoEnabled: boolean } | undefined
    readonly _kexinit: Buffer | undefined
    readonly _queue: readonly Buffer[] | undefined
  }
}
declare module 'ssh2/lib/protocol/utils.js' {
  import type Protocol from 'ssh2/lib/protocol/Protocol.js'

  const transport: { sendPacket(protocol: Protocol, packet: Buffer, bypass?: boolean): boolean }
  export default transport
}
