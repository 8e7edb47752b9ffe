/** A client that sends whatever it likes: the project's own transport, and no rules above it. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { message, Reader } from '../../statement/sftp/fields.ts'
import { pinned } from './identity.ts'
import { channelRequest, msg, type Payload } from './messages.ts'
import { Wire } from './wire.ts'
import { type Granted, until, type World } from './world.fixture.ts'

export class RawClient {
  readonly socket: Socket
  readonly wire: Wire
  readonly seen: { readonly type: number; readonly payload: Buffer }[] = []
  ended = false
  /** Bytes of channel data that came, and what is kept of them. */
  bytes = 0
  data = Buffer.alloc(0)

  constructor(socket: Socket, wire: (client: RawClient) => Wire) {
    this.socket = socket
    this.wire = wire(this)
  }

  static async connect(w: World): Promise<RawClient> {
    const socket = connect(w.port, '127.0.0.1')
    await once(socket, 'connect')
    const ready = Promise.withResolvers<void>()
    const client = new RawClient(
      socket,
      self =>
        new Wire(socket, {
          role: { kind: 'client', trust: pinned(w.hostKey) },
          onReady: () => ready.resolve(),
          onMessage: (type, payload) => self.#message(type, payload),
          onTurn: () => undefined,
          onDrain: () => undefined,
          onEnd: () => {
            self.ended = true
          },
        }),
    )
    await ready.promise
    return client
  }

  static async enter(w: World, granted: Granted): Promise<RawClient> {
    const client = await RawClient.connect(w)
    client.send(message(msg.serviceRequest, 'ssh-userauth'))
    client.password(granted.id, granted.password)
    await client.see(msg.userauthSuccess)
    client.wire.admit()
    return client
  }

  #message(type: number, payload: Buffer): void {
    if (type === msg.channelData || type === msg.channelExtendedData) {
      const fields = new Reader(payload, type === msg.channelData ? 5 : 9)
      const data = fields.bytes()
      this.bytes += data.length
      if (this.data.length < 1_000_000) this.data = Buffer.concat([this.data, data])
    } else {
      this.seen.push({ type, payload: Buffer.from(payload) })
    }
  }

  send(...payloads: readonly Payload[]): void {
    for (const payload of payloads) this.wire.send(payload)
  }
  password(user: string, secret: string): void {
    this.send(message(msg.userauthRequest, user, 'ssh-connection', 'password', false, secret))
  }
  count(type: number): number {
    return this.seen.filter(one => one.type === type).length
  }
  async see(type: number, times = 1): Promise<Buffer> {
    await until(() => this.count(type) >= times, `message ${type}, ${times} times`)
    return this.seen.filter(one => one.type === type)[times - 1]?.payload ?? Buffer.alloc(0)
  }
  async end(): Promise<void> {
    await until(() => this.ended, 'the connection is over')
  }

  /** Opens a session channel of this number; the number by which the gateway knows it. */
  async channel(near: number, window = 1 << 20): Promise<number> {
    const before = this.count(msg.channelOpenConfirmation)
    this.send(message(msg.channelOpen, 'session', near, window, 32_768))
    const confirmed = new Reader(await this.see(msg.channelOpenConfirmation, before + 1), 5)
    return confirmed.u32()
  }
  async start(channel: number, name: 'exec' | 'subsystem', what: string): Promise<void> {
    const before = this.count(msg.channelSuccess)
    this.send(channelRequest(channel, name, true, what))
    await this.see(msg.channelSuccess, before + 1)
  }
}
