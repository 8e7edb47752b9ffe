/**
 * One session channel, from both ends: the client's requests judged, recorded and passed on, the host's answers passed
 * back, data both ways under flow control. It runs one thing: a shell, a command or sftp (attack 116).
 */
import type { Seq, Verdict } from '../../recording/record.ts'
import { Malformed, message, type Reader } from '../../statement/sftp/fields.ts'
import type { Ending } from '../../words.ts'
import { judgeExec, judgeOther, judgeShell, judgeSubsystem } from './guard.ts'
import { channelData, channelOpenFailed, channelRequest, maxPacket, msg, stderr } from './messages.ts'
import { Pipe } from './pipe.ts'
import { Program } from './program.ts'
import { endingLine, oneLine, refusalLine, refusedStatus } from './refuse.ts'
import type { RelaySide } from './relay.ts'
import { Replies } from './replies.ts'
import { type Asked, Setup } from './setup.ts'
import { SftpRelay } from './sftp.ts'
import type { Running } from './upstream.ts'

const signals = new Set('ABRT ALRM HUP INT KILL PIPE QUIT TERM USR1 USR2'.split(' '))

/** What runs in the channel. A refused one says why and ends; whatever its client still sends is thrown away. */
type Runs = 'nothing' | 'exec' | 'shell' | 'sftp' | 'refused'

export class SessionChannel implements Running {
  readonly id: number
  readonly over: Promise<void>
  readonly #relay: RelaySide
  readonly #near: number
  #far: number | undefined
  readonly #up: Pipe
  readonly #down: Pipe
  readonly #replies: Replies
  #runs: Runs = 'nothing'
  readonly #setup: Setup
  #program: Program | undefined
  #sftp: SftpRelay | undefined
  #nearEof = false
  #nearClosed = false
  #nearCloseSent = false
  #farClosed = false
  #farCloseSent = false
  #finish: () => void = () => undefined

  constructor(relay: RelaySide, id: number, near: number, window: number, packet: number) {
    this.id = id
    this.#relay = relay
    this.#near = near
    this.#setup = new Setup(relay)
    this.over = new Promise(resolve => {
      this.#finish = resolve
    })
    this.#replies = new Replies(done =>
      relay.toNear(message(done ? msg.channelSuccess : msg.channelFailure, near)),
    )
    this.#down = new Pipe(window, Math.min(packet, maxPacket), {
      send: (data, extended) => relay.toNear(channelData(near, data, extended)),
      grant: bytes => this.#toFar(msg.channelWindowAdjust, bytes),
    })
    this.#up = new Pipe(0, maxPacket, {
      send: data => this.#far !== undefined && relay.toFar(channelData(this.#far, data, false)),
      grant: bytes => this.#toNear(msg.channelWindowAdjust, bytes),
    })
    relay.toFar(message(msg.channelOpen, 'session', id, this.#down.opening(), maxPacket))
  }

  // ---- the host's side

  confirmed(far: number, window: number, packet: number): void {
    if (this.#far !== undefined || packet < 1024) throw new Malformed('channel confirmation')
    this.#far = far
    this.#up.opened(window, Math.min(packet, maxPacket))
    const credit = this.#up.opening()
    this.#relay.toNear(message(msg.channelOpenConfirmation, this.#near, this.id, credit, maxPacket))
  }

  farData(data: Buffer, type: number): void {
    this.#down.spend(data.length)
    if (this.#runs === 'refused' || this.#nearClosed || type > stderr) {
      this.#down.settle()
      return
    }
    if (this.#sftp !== undefined && type === 0) {
      this.#sftp.fromFar(data)
      return
    }
    this.#program?.output(data, type === stderr)
    this.#down.push(data, type === stderr)
    this.#down.settle()
  }

  farExtended(fields: Reader): void {
    const type = fields.u32()
    this.farData(fields.bytes(), type)
  }

  /** The host opens no channel: the client gets the host's reason, made harmless. */
  farRefused(fields: Reader): void {
    if (this.#far !== undefined) throw new Malformed('channel failure')
    const reason = fields.u32()
    this.#relay.toNear(channelOpenFailed(this.#near, reason, oneLine(fields.bytes().toString())))
    this.#relay.forget(this)
  }

  farWidens(bytes: number): void {
    this.#up.widen(bytes)
  }

  farEof(): void {
    this.#down.after(() => this.#toNear(msg.channelEof))
    this.#down.settle()
  }

  farClose(): void {
    if (this.#farClosed) throw new Malformed('a second close')
    this.#farClosed = true
    this.#closeFar()
    this.#finish()
    this.#relay.stopped(this)
    this.endRecords()
    this.#down.after(() => this.#closeNear())
    this.#down.settle()
    this.#forget()
  }

  farRequest(name: string, wantReply: boolean, fields: Reader): void {
    if (name === 'exit-status') {
      const status = fields.u32()
      if (this.#program !== undefined) this.#program.tag = `exit ${status}`
      this.#tell('exit-status', status)
    } else if (name === 'exit-signal') {
      const signal = fields.text()
      const core = fields.bool()
      if (this.#program !== undefined) this.#program.tag = `signal ${signal}`
      this.#tell('exit-signal', oneLine(signal), core, oneLine(fields.text()), '')
    } else if (name === 'eow@openssh.com') {
      this.#tell('eow@openssh.com')
    }
    if (wantReply) this.#toFar(msg.channelFailure)
  }

  farReplies(done: boolean): void {
    this.#replies.answered(done)
  }

  /** In its place behind the data that came before. */
  #tell(name: string, ...fields: readonly (number | boolean | string)[]): void {
    this.#down.after(() => {
      if (!this.#nearCloseSent && this.#runs !== 'refused')
        this.#relay.toNear(channelRequest(this.#near, name, false, ...fields))
    })
    this.#down.settle()
  }

  // ---- the client's side

  nearData(data: Buffer): void {
    this.#up.spend(data.length)
    if (this.#runs === 'nothing' || this.#nearEof) throw new Malformed('data where nothing runs')
    if (this.#runs === 'refused' || this.#farCloseSent) return
    if (this.#sftp !== undefined) {
      this.#sftp.fromNear(data)
      return
    }
    this.#program?.input(data)
    this.#up.push(data, false)
    this.#up.settle()
  }

  nearWidens(bytes: number): void {
    this.#down.widen(bytes)
  }

  nearEof(): void {
    if (this.#nearEof) throw new Malformed('a second EOF')
    this.#nearEof = true
    this.#up.after(() => this.#toFar(msg.channelEof))
    this.#up.settle()
  }

  /** What nobody watches any more does not go on: sshd hangs up terminals alone, so commands are told as well. */
  nearClose(): void {
    if (this.#nearClosed) throw new Malformed('a second close')
    this.#nearClosed = true
    this.#down.drop()
    this.#closeNear()
    if (!this.#farClosed && this.#program !== undefined && this.#far !== undefined)
      this.#relay.toFar(channelRequest(this.#far, 'signal', false, 'HUP'))
    this.#closeFar()
    this.#forget()
  }

  nearRequest(name: string, wantReply: boolean, fields: Reader): void {
    const sent = this.#ask(name, wantReply, fields)
    // `later`: the host's own answer is passed on. Signals and sizes are never answered.
    if (wantReply && sent !== 'later') this.#replies.now(sent === 'done')
  }

  #ask(name: string, wantReply: boolean, fields: Reader): 'later' | 'done' | 'failed' {
    const fresh = this.#runs === 'nothing' && !this.#nearEof
    if (name === 'exec' && fresh)
      return this.#start('exec', judgeExec(this.#relay.scope, fields.bytes(), this.#setup.env), wantReply)
    if (name === 'shell' && fresh)
      return this.#start('shell', judgeShell(this.#relay.scope, this.#setup.env), wantReply)
    if (name === 'subsystem' && fresh) {
      const asked = fields.text()
      const verdict = judgeSubsystem(this.#relay.scope, asked)
      if (asked === 'sftp') return this.#start('sftp', verdict, wantReply)
      this.#relay.refused(verdict)
      return 'failed'
    }
    if (name === 'pty-req' && fresh && this.#setup.pty === undefined)
      return this.#passOn(this.#setup.openPty(fields), wantReply)
    if (name === 'env' && fresh) return this.#passOn(this.#setup.setEnv(fields), wantReply)
    if (name === 'window-change' && this.#setup.pty !== undefined) return this.#resize(fields)
    if (name === 'signal' && this.#program !== undefined) {
      const signal = fields.text()
      if (this.#far === undefined || !signals.has(signal)) return 'failed'
      this.#relay.toFar(channelRequest(this.#far, 'signal', false, signal))
      return 'done'
    }
    if (name === 'eow@openssh.com' && this.#far !== undefined && !wantReply) {
      this.#relay.toFar(channelRequest(this.#far, name, false))
      return 'done'
    }
    if (name === 'auth-agent-req@openssh.com' || name === 'x11-req')
      this.#relay.refused(judgeOther('forward', name, 'agent and X11 forwarding are always off'))
    return 'failed'
  }

  #passOn(asked: Asked, wantReply: boolean): 'later' | 'failed' {
    if (this.#far === undefined || asked === undefined) return 'failed'
    const [name, ...fields] = asked
    if (wantReply) this.#replies.later()
    this.#relay.toFar(channelRequest(this.#far, name, wantReply, ...fields))
    return 'later'
  }

  #resize(fields: Reader): 'done' {
    const size = this.#setup.resize(fields)
    if (size === undefined || this.#far === undefined) return 'done'
    this.#program?.resize(size.cols, size.rows)
    this.#relay.toFar(channelRequest(this.#far, 'window-change', false, size.cols, size.rows, 0, 0))
    return 'done'
  }

  #start(runs: 'exec' | 'shell' | 'sftp', verdict: Verdict, wantReply: boolean): 'later' | 'done' | 'failed' {
    if (this.#far === undefined) return 'failed'
    if (!verdict.allow) {
      this.#runs = 'refused'
      this.#relay.refused(verdict)
      // Said as a command that could not be run: OpenSSH's client shows this line and the status, and drops what comes
      // with a plain CHANNEL_FAILURE.
      if (wantReply) this.#replies.now(true)
      this.#lastWords(
        refusalLine(verdict.denial),
        channelRequest(this.#near, 'exit-status', false, refusedStatus),
      )
      this.#closeFar()
      return 'later'
    }
    const seq = this.#relay.recorder.statement(verdict)
    this.#runs = runs
    if (runs === 'sftp') this.#sftp = new SftpRelay(this.#relay, this.#up, this.#down)
    else this.#program = new Program(this.#relay.recorder, seq, runs, verdict.statement.text, this.#setup.pty)
    this.#replies.later(done => {
      if (!done && this.#program !== undefined) this.#program.tag = 'refused by the host'
      return wantReply
    })
    this.#send(seq, runs, verdict.statement.text)
    this.#relay.started(this)
    return 'later'
  }

  /** The one place from which something is set running on the host: `of` is the number of its record (invariant 7). */
  #send(of: Seq, runs: 'exec' | 'shell' | 'sftp', text: string): void {
    if (this.#far === undefined) return
    if (runs === 'exec') this.#relay.run(of, channelRequest(this.#far, 'exec', true, text))
    else if (runs === 'shell') this.#relay.run(of, channelRequest(this.#far, 'shell', true))
    else this.#relay.run(of, channelRequest(this.#far, 'subsystem', true, 'sftp'))
  }

  // ---- the end

  signal(name: 'HUP' | 'KILL'): Promise<boolean> {
    if (this.#far === undefined || this.#farCloseSent) return Promise.resolve(true)
    const far = this.#far
    return new Promise(resolve => {
      this.#replies.later(done => {
        resolve(done)
        return false
      })
      this.#relay.urgent(channelRequest(far, 'signal', true, name))
    })
  }

  /** The session is over: the client is told in the channel why. */
  cut(ending: Ending): void {
    this.#down.drop()
    if (ending.why === 'client_closed' || this.#runs === 'nothing' || this.#far === undefined) return
    this.#lastWords(
      endingLine(ending),
      channelRequest(this.#near, 'exit-signal', false, 'HUP', false, oneLine(ending.text), ''),
    )
  }

  #lastWords(line: string, exit: Buffer): void {
    if (this.#nearCloseSent) return
    const bytes = Buffer.from(line)
    // In sftp's stream of packets there is no room for words but on stderr.
    this.#down.push(bytes, this.#setup.pty === undefined)
    this.#down.settle()
    this.#down.drop()
    this.#relay.toNear(exit)
    this.#toNear(msg.channelEof)
    this.#closeNear()
  }

  endRecords(): void {
    this.#sftp?.end()
    this.#program?.end()
  }

  #closeNear(): void {
    if (this.#nearCloseSent || this.#far === undefined) return
    this.#toNear(msg.channelClose)
    this.#nearCloseSent = true
    this.#forget()
  }

  #closeFar(): void {
    if (this.#farCloseSent || this.#far === undefined) return
    this.#toFar(msg.channelClose)
    this.#farCloseSent = true
  }

  #forget(): void {
    if (this.#nearClosed && this.#nearCloseSent && this.#farClosed) this.#relay.forget(this)
  }

  #toNear(type: number, ...fields: readonly number[]): void {
    if (!this.#nearCloseSent) this.#relay.toNear(message(type, this.#near, ...fields))
  }

  #toFar(type: number, ...fields: readonly number[]): void {
    if (this.#far !== undefined && !this.#farCloseSent) this.#relay.toFar(message(type, this.#far, ...fields))
  }
}
