/** A PostgreSQL client of bytes: does what it is told, also what no driver would. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { endPointOf } from './binding.ts'
import { clientBare, clientFinal, MECHANISM } from './scram.ts'
import { errorFields, frame, int32, PASSWORD, QUERY } from './wire.ts'

export interface Message {
  readonly type: string
  readonly payload: Buffer
  /** Of errors and notices. */
  readonly fields: Readonly<Record<string, string>>
}

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

export class RawClient {
  socket: Socket
  readonly messages: Message[] = []
  /** All bytes that came, for searching. */
  received: Buffer = Buffer.alloc(0)
  closed = false
  #held: Buffer = Buffer.alloc(0)
  #framed = false
  #wake: (() => void) | null = null

  constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true })
    this.#listen()
  }

  /** From here on inside TLS, whoever is at the other end. Answers the certificate's hash, for SCRAM to be bound to. */
  async tls(): Promise<Buffer | null> {
    this.send(SSL_REQUEST)
    if ((await this.byte()) !== 0x53) throw new Error('no TLS')
    this.socket.removeAllListeners('data')
    const secure = connectTls({
      socket: this.socket,
      rejectUnauthorized: false,
      ALPNProtocols: ['postgresql'],
    })
    await once(secure, 'secureConnect')
    this.socket = secure
    this.#listen()
    return endPointOf(secure.getPeerX509Certificate())
  }

  #listen(): void {
    this.socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
      this.#held = Buffer.concat([this.#held, chunk])
      if (this.#framed) this.#cut()
      this.#wake?.()
    })
    this.socket.on('error', () => undefined)
    this.socket.on('close', () => {
      this.closed = true
      this.#wake?.()
    })
  }

  send(...frames: readonly (Uint8Array | string)[]): this {
    this.socket.write(Buffer.concat(frames.map(one => Buffer.from(one))))
    return this
  }

  /** From now on what comes is cut into messages. */
  framed(): this {
    this.#framed = true
    this.#cut()
    return this
  }

  async byte(): Promise<number> {
    await this.#until(() => this.#held.length > 0)
    const [first = 0] = this.#held
    this.#held = this.#held.subarray(1)
    return first
  }

  /** The next message, whatever it is; fails when the connection ends first. */
  async next(): Promise<Message> {
    await this.#until(() => this.messages.length > 0)
    const message = this.messages.shift()
    if (message === undefined) throw new Error('the connection ended')
    return message
  }

  /** Messages up to and with one of this type. */
  async upTo(type: string): Promise<Message[]> {
    const got: Message[] = []
    for (;;) {
      const message = await this.next()
      got.push(message)
      if (message.type === type) return got
      if (message.fields.S === 'FATAL') throw new Error(`FATAL ${message.fields.C}: ${message.fields.M}`)
    }
  }

  /** Types of the messages up to and with one of this type: `T D D C Z`. */
  async shape(type = 'Z'): Promise<string> {
    return (await this.upTo(type)).map(message => message.type).join(' ')
  }

  /** All that comes until the other side closes. */
  async rest(): Promise<Message[]> {
    await this.#until(() => this.closed)
    return this.messages.splice(0)
  }

  async login(
    user: string,
    password: string,
    parameters: Readonly<Record<string, string>>,
    code = 196608,
  ): Promise<Message[]> {
    this.framed()
    this.send(startup({ user, ...parameters }, code))
    await this.scram(password)
    const ready = await this.upTo('Z')
    return ready
  }

  async scram(password: string): Promise<void> {
    await this.upTo('R')
    const nonce = randomBytes(18).toString('base64')
    const first = `n,,${clientBare(nonce)}`
    this.send(saslInitial(first))
    const challenge = await this.next()
    if (challenge.type !== 'R') throw new Error(`${challenge.type} ${challenge.fields.M}`)
    const final = await clientFinal(password, nonce, challenge.payload.toString('latin1', 4))
    if (final === null) throw new Error('not a challenge')
    this.send(frame(PASSWORD, final.message))
  }

  async query(sql: string): Promise<Message[]> {
    this.send(frame(QUERY, `${sql}\0`))
    return this.upTo('Z')
  }

  destroy(): void {
    this.socket.destroy()
  }

  #cut(): void {
    while (this.#held.length >= 5) {
      const total = this.#held.readUInt32BE(1) + 1
      if (this.#held.length < total) return
      const type = String.fromCharCode(this.#held[0] as number)
      const payload = this.#held.subarray(5, total)
      this.messages.push({ type, payload, fields: type === 'E' || type === 'N' ? errorFields(payload) : {} })
      this.#held = this.#held.subarray(total)
    }
  }

  async #until(ready: () => boolean): Promise<void> {
    const late = setTimeout(() => this.socket.destroy(), 10_000)
    while (!ready() && !this.closed) {
      await new Promise<void>(wake => {
        this.#wake = wake
      })
    }
    clearTimeout(late)
  }
}

export function startup(parameters: Readonly<Record<string, string>>, code = 196608): Buffer {
  return rawStartup(
    `${Object.entries(parameters)
      .map(([name, value]) => `${name}\0${value}\0`)
      .join('')}\0`,
    code,
  )
}

export function rawStartup(text: string, code = 196608): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([int32(bytes.length + 8), int32(code), bytes])
}

export const saslInitial = (first: string, mechanism = MECHANISM): Buffer =>
  frame(PASSWORD, `${mechanism}\0`, int32(first.length), first)

export const parse = (name: string, sql: string): Buffer =>
  frame(0x50, `${name}\0${sql}\0`, Uint8Array.of(0, 0))
/** Text parameters, text results. */
export function bind(portal: string, name: string, values: readonly string[] = []): Buffer {
  const pieces: (Uint8Array | string)[] = [
    `${portal}\0${name}\0`,
    Uint8Array.of(0, 0, values.length >> 8, values.length & 255),
  ]
  for (const value of values) pieces.push(int32(Buffer.byteLength(value)), value)
  return frame(0x42, ...pieces, Uint8Array.of(0, 0))
}
export const describeStatement = (name: string): Buffer => frame(0x44, `S${name}\0`)
export const describePortal = (name: string): Buffer => frame(0x44, `P${name}\0`)
export const execute = (portal: string, most = 0): Buffer => frame(0x45, `${portal}\0`, int32(most))
export const closeStatement = (name: string): Buffer => frame(0x43, `S${name}\0`)
export const closePortal = (name: string): Buffer => frame(0x43, `P${name}\0`)
export const sync = frame(0x53)
export const flush = frame(0x48)
export const terminate = frame(0x58)
export const query = (sql: string): Buffer => frame(QUERY, `${sql}\0`)
export const copyData = (text: string): Buffer => frame(0x64, text)
export const copyDone = frame(0x63)

/** The answers to a batch of the extended protocol, Sync and all. */
export async function asked(client: RawClient, ...frames: Buffer[]): Promise<Message[]> {
  client.send(...frames, sync)
  return client.upTo('Z')
}

/** The SQLSTATE of each error. */
export const codes = (messages: readonly Message[]): string[] =>
  messages.filter(({ type }) => type === 'E').map(({ fields }) => fields.C ?? '')
