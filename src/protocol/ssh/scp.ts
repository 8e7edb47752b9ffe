/**
 * scp's legacy mode without an scp on the host: what the client sends and wants is done over sftp, each file judged,
 * resolved and recorded as sftp's are. A program of its own on the host would follow links wherever they lead.
 *
 * The exchange is a script that waits: for a line of the client's, for an answer of the host's, for room. It runs on
 * whenever something came.
 */
import type { Recorder, Seq } from '../../recording/record.ts'
import { type Field, Malformed, message } from '../../statement/sftp/fields.ts'
import { Frames, framed, fxp } from '../../statement/sftp/packet.ts'
import type { ScpCommand } from '../../statement/shell/scp.ts'
import { Backlog } from './backlog.ts'
import type { Ends } from './ends.ts'
import { msg } from './messages.ts'
import { oneLine } from './refuse.ts'
import { receive } from './scp-receive.ts'
import { send } from './scp-send.ts'
import type { SftpRelay } from './sftp.ts'
import type { SftpClient } from './sftp-sides.ts'

const maxLine = 4096
const maxInput = 4 * 1024 * 1024
/** A client that gets files has only to say yes, or to warn. */
const maxAnswers = 2 * maxLine
const maxUnsent = 512 * 1024
/** Each is two bytes of a client's, and asks nothing of the host (attack 192). */
const maxWarnings = 1000

/** A step of the script that returns a `T`; it yields what it waits for. */
export type Step<T> = Generator<() => boolean, T, void>

/** The client is gone, or said that it cannot go on. */
export class ScpOver extends Error {
  override name = 'ScpOver'
}

export class Scp {
  readonly command: ScpCommand
  /** What the names in folders that are being sent take. */
  held = 0
  readonly #ends: Ends
  readonly #sftp: SftpRelay
  readonly #recorder: Recorder
  readonly #of: Seq
  readonly #packets = new Frames()
  readonly #answers = new Map<number, Buffer>()
  readonly #script: Step<void>
  #wait: () => boolean = () => true
  readonly #input = new Backlog()
  #held = 0
  #eof = false
  #id = 0
  #running = false
  #due = false
  #warnings = 0
  #over = false
  #greeted = false
  /** Whether all went well: the exit status. */
  #failed = false

  constructor(
    command: ScpCommand,
    ends: Ends,
    record: { readonly recorder: Recorder; readonly of: Seq },
    sftp: (client: SftpClient) => SftpRelay,
  ) {
    this.command = command
    this.#ends = ends
    this.#recorder = record.recorder
    this.#of = record.of
    this.#sftp = sftp({ push: packet => this.#answered(packet), settle: () => this.#run(), waiting: 0 })
    this.#script = this.#exchange()
  }

  *#exchange(): Step<void> {
    yield () => this.#greeted
    yield* this.command.way === 'to_host' ? receive(this) : send(this)
  }

  // ---- what comes

  /** The host has agreed to the subsystem: sftp's own greeting. */
  begin(): void {
    this.#sftp.fromNear(framed(message(fxp.init, 3)))
  }

  fromNear(data: Buffer): void {
    if (this.#over) return
    this.#input.push(data)
    const most = this.command.way === 'to_host' ? maxInput : maxAnswers
    if (this.#input.length > most) throw new Malformed('scp data beyond what is taken')
    this.#run()
  }

  nearEof(): void {
    this.#eof = true
    this.#run()
  }

  fromFar(data: Buffer): void {
    this.#sftp.fromFar(data)
    this.#run()
  }

  moved(): void {
    this.#run()
  }

  #answered(packet: Buffer): void {
    this.#packets.push(packet)
    for (let body = this.#packets.next(); body !== undefined; body = this.#packets.next()) {
      if (this.#greeted) this.#answers.set(body.readUInt32BE(1), body)
      else this.#greeted = true
    }
  }

  #run(): void {
    // Behind our close the host is asked for nothing.
    if (this.#running || this.#due || this.#over || this.#ends.farCloseSent) return
    this.#running = true
    try {
      while (!this.#over && this.#wait()) {
        if (!this.#mayGoOn()) break
        const { done, value } = this.#script.next()
        if (done === true) this.#finish()
        else this.#wait = value
      }
    } catch (error) {
      if (!(error instanceof ScpOver)) throw error
      this.#failed = true
      this.#finish()
    } finally {
      this.#running = false
    }
    this.#ends.up.hold(this.#input.length - this.#held)
    this.#held = this.#input.length
    this.#ends.up.settle()
    this.#ends.down.settle()
  }

  /** One message of the client's holds thousands of lines, so steps are counted too; what is too much has another turn. */
  #mayGoOn(): boolean {
    const { pace } = this.#ends
    if (pace.open) {
      pace.taken()
      return true
    }
    this.#due = true
    pace.later(() => {
      this.#due = false
      this.#run()
    })
    return false
  }

  #finish(): void {
    this.end()
    const { down } = this.#ends
    const status = this.#failed ? 1 : 0
    down.after(() => {
      this.#ends.tellNear('exit-status', status)
      this.#ends.toNear(msg.channelEof)
      this.#ends.closeNear()
    })
    this.#ends.closeFar()
  }

  end(): void {
    if (this.#over) return
    this.#over = true
    this.#input.drop()
    this.#sftp.end()
    this.#recorder.result(this.#of, { tag: `exit ${this.#failed ? 1 : 0}` })
  }

  // ---- for the script

  /** A line of the client's without its newline; nothing at its end. */
  *line(): Step<string | undefined> {
    const length = () => this.#input.upTo(0x0a, maxLine + 1)
    yield () => this.#eof || this.#input.length > maxLine || length() !== undefined
    if (this.#input.length === 0) return undefined
    const bytes = length()
    if (bytes === undefined) throw new ScpOver('a line that does not end')
    return this.#input.take(bytes).toString('utf8').slice(0, -1)
  }

  *byte(): Step<number | undefined> {
    yield () => this.#input.length > 0 || this.#eof
    return this.#input.length === 0 ? undefined : this.#input.take(1)[0]
  }

  /** The next byte, left where it is. */
  *peek(): Step<number | undefined> {
    yield () => this.#input.length > 0 || this.#eof
    return this.#input.first
  }

  *data(most: number): Step<Buffer> {
    yield () => this.#input.length > 0 || this.#eof
    if (this.#input.length === 0) throw new ScpOver('the client went away in the middle of a file')
    return this.#input.take(most)
  }

  /** The other side's yes: one zero byte. A warning counts as a failure, an error is the end, and so are too many warnings. */
  *consent(): Step<boolean> {
    const byte = yield* this.byte()
    if (byte === 0) return true
    this.#failed = true
    if (byte !== 1) throw new ScpOver('the client cannot go on')
    if (++this.#warnings > maxWarnings) throw new ScpOver('the client does nothing but warn')
    yield* this.line()
    return false
  }

  say(bytes: Uint8Array | string): void {
    this.#ends.down.push(Buffer.from(bytes), false)
  }

  ok(): void {
    this.say(Buffer.of(0))
  }

  /** A failure of one file: the others go on. */
  warn(path: string, why: string): void {
    this.#failed = true
    this.say(`\u0001scp: ${oneLine(path)}: ${oneLine(why)}\n`)
  }

  *room(): Step<void> {
    yield () => this.#ends.down.waiting < maxUnsent
  }

  request(type: number, ...fields: readonly Field[]): number {
    const id = this.#id
    this.#id = (id + 1) >>> 0
    this.#sftp.fromNear(framed(message(type, id, ...fields)))
    return id
  }

  has(id: number): boolean {
    return this.#answers.has(id)
  }

  *answer(id: number): Step<Buffer> {
    yield () => this.has(id)
    const body = this.#answers.get(id) ?? Buffer.alloc(0)
    this.#answers.delete(id)
    return body
  }

  *ask(type: number, ...fields: readonly Field[]): Step<Buffer> {
    return yield* this.answer(this.request(type, ...fields))
  }
}
