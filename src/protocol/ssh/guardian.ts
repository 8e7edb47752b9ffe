/**
 * Ends what a connection left running on its host, from the host itself: one more channel runs a few lines of shell that
 * wait on `read`. Told to, or when the connection is gone, whatever became of the gateway, they end what is ours. A shell
 * that already runs needs nothing but its pipe's end for that, however busy the host is (invariants 6 and 10).
 *
 * Ours are the commands that the connection's own sshd has started, each the leader of a session, with all in their
 * sessions. After a cut, or where sshd is gone and its children belong to init, also everything that carries the
 * connection's SSH_CONNECTION and is not older than it. HUP first, KILL soon after.
 *
 * It needs /proc with its lists of children and a POSIX shell; elsewhere it fails without a sound, and signals are what is left. It takes nothing of
 * the client's: its text (`guardian-text.ts`) is all that is ever run. The account that it runs as can end it: docs/threat-model.md.
 */
import { message, Reader } from '../../statement/sftp/fields.ts'
import { command } from './guardian-text.ts'
import { channelRequest, maxPacket, msg } from './messages.ts'
import type { Wire } from './wire.ts'

/** Outside the numbers that the relay gives to the client's channels. */
const firstChannel = 0xffff_0000

/**
 * - `cut`: all of the connection is ended. The end of the input says the same.
 * - `end`: what runs in the foreground is ended; what was put into a session of its own stays.
 * - `go`: nothing is.
 * - `stay`: it gives its place on the host to a channel of the client's, and waits without one: it looks every 0.1 s
 *   whether the connection's sshd is there, and takes its end for a cut, whatever its reason.
 */
export type Word = 'cut' | 'end' | 'go' | 'stay'

export class Guardian {
  /** It has done as it was told, or there is nobody to do it. */
  readonly done: Promise<void>
  readonly #wire: Wire
  readonly #id: number
  #far: number | undefined
  #runs: 'not yet' | 'when opened' | 'yes' = 'not yet'
  #word: Word | undefined
  #closed = false
  #lost = false
  #answer: (done: boolean) => void = () => undefined
  #gone: () => void = () => undefined
  #finish: () => void = () => undefined

  constructor(wire: Wire, n: number) {
    this.#wire = wire
    this.#id = firstChannel + n
    this.done = new Promise(resolve => {
      this.#finish = resolve
    })
  }

  /** What opens its channel. An open channel takes one of the host's MaxSessions, and no process. */
  opening(): Buffer {
    return message(msg.channelOpen, 'session', this.#id, 65_536, maxPacket)
  }

  /** The host has refused it, or it is gone. */
  get lost(): boolean {
    return this.#lost
  }

  /** A command has been asked of the host, or is about to be. */
  get runs(): boolean {
    return this.#runs !== 'not yet'
  }

  /** Runs the shell: before the first command, for sshd starts what it is asked for in order. */
  start(): void {
    if (this.#runs !== 'not yet') return
    this.#runs = 'when opened'
    this.#run()
  }

  #run(): void {
    if (this.#far === undefined || this.#runs !== 'when opened') return
    this.#runs = 'yes'
    this.#wire.send(channelRequest(this.#far, 'exec', true, command))
    this.#say()
  }

  /** Makes room for a channel of the client's, and says when there is some. */
  yield(gone: () => void): void {
    this.#gone = gone
    this.start()
    this.tell('stay')
  }

  /** Once. */
  tell(word: Word): void {
    if (this.#word !== undefined) return
    this.#word = word
    this.#say()
  }

  /**
   * Ends one of the `of` that sshd runs besides it, with its process group: the one that was started behind `before`
   * others. Whether it is ended; not where sshd runs more or fewer by now. One at a time.
   */
  end(before: number, of: number): Promise<boolean> {
    if (this.#far === undefined || this.#closed || this.#runs !== 'yes' || this.#word !== undefined)
      return Promise.resolve(false)
    this.#wire.send(message(msg.channelData, this.#far, `one ${of}${' x'.repeat(before)}\n`))
    return new Promise(resolve => {
      this.#answer = resolve
    })
  }

  #say(): void {
    if (this.#far === undefined || this.#closed || this.#runs !== 'yes' || this.#word === undefined) return
    this.#wire.send(message(msg.channelData, this.#far, `${this.#word}\n`))
    this.#wire.send(message(msg.channelEof, this.#far))
  }

  #close(): void {
    if (this.#far === undefined || this.#closed) return
    this.#closed = true
    this.#wire.send(message(msg.channelClose, this.#far))
  }

  /** Whether a message of the host's belongs to this channel. */
  takes(type: number, payload: Buffer): boolean {
    if (type < msg.channelOpenConfirmation || type > msg.channelFailure) return false
    const fields = new Reader(payload, 1)
    if (fields.u32() !== this.#id) return false
    if (type === msg.channelOpenConfirmation && this.#far === undefined) {
      this.#far = fields.u32()
      this.#run()
    } else if (type === msg.channelOpenFailure || type === msg.channelClose) {
      this.#close()
      this.#lost = true
      this.#answer(false)
      this.#finish()
      this.#gone()
    }
    // The host runs nothing: there is a close to come.
    else if (type === msg.channelFailure) this.#close()
    else if (type === msg.channelData) this.#hear(fields.bytes().toString('latin1'))
    return true
  }

  /** Whatever it says before it was told anything is the account's own start-up noise; then it says that HUP is sent. */
  #hear(said: string): void {
    const answer = said.trim()
    if (answer === 'one' || answer === 'not') this.#answer(answer === 'one')
    else if (this.#word !== undefined) this.#finish()
  }
}
