/**
 * One session channel, from both ends: the client's requests judged, recorded and passed on, the host's answers passed
 * back. It runs one thing: a shell, a command or sftp (attack 116).
 */
import type { Seq, Verdict } from '../../recording/record.ts'
import { Malformed, message, type Reader } from '../../statement/sftp/fields.ts'
import type { Ending } from '../../words.ts'
import { type Channel, Ends, type Opening } from './ends.ts'
import { judgeExec, judgeOther, judgeScp, judgeShell, judgeSubsystem } from './guard.ts'
import { maxPacket, msg, stderr } from './messages.ts'
import { Pipe } from './pipe.ts'
import { Program } from './program.ts'
import { endingLine, oneLine, refusalLine, refusedStatus } from './refuse.ts'
import { Replies } from './replies.ts'
import { type Service, scpService, sftpService } from './service.ts'
import { type Asked, Setup } from './setup.ts'
import type { RelaySide } from './sides.ts'
import type { Running } from './upstream.ts'

/** How often a host that refuses a channel is asked for it again. */
const mostAsked = 2

const signals = new Set('ABRT ALRM HUP INT KILL PIPE QUIT TERM USR1 USR2'.split(' '))

/** What runs in the channel. A refused one says why and ends; whatever its client still sends is thrown away. */
type Runs = 'nothing' | 'exec' | 'shell' | 'sftp' | 'scp' | 'refused'

export class SessionChannel implements Channel, Running {
  readonly ends: Ends
  readonly over: Promise<void>
  readonly #relay: RelaySide
  readonly #replies: Replies
  readonly #setup: Setup
  /** Of the host's last words those that have been passed on. */
  readonly #told = new Set<string>()
  #asked = 0
  #runs: Runs = 'nothing'
  /** What was sent to a program that waits for the host's answers ({@link Setup}). */
  #early: Pipe | undefined
  #program: Program | undefined
  #service: Service | undefined
  /** Its client has left it: behind the close that follows the host says nothing of its end. */
  #left = false
  #finish: () => void = () => undefined

  constructor(relay: RelaySide, opening: Opening) {
    this.#relay = relay
    this.ends = new Ends(relay, opening)
    this.#setup = new Setup(relay)
    this.over = new Promise(resolve => {
      this.#finish = resolve
    })
    this.#replies = new Replies(done =>
      relay.toNear(message(done ? msg.channelSuccess : msg.channelFailure, opening.near)),
    )
    relay.toFar(this.ends.opening('session'))
  }

  // ---- the host's side

  farData(data: Buffer, type: number): void {
    const { down } = this.ends
    down.spend(data.length)
    // Whatever reaches the client is some program's, and on record.
    if (this.#runs === 'nothing' || this.#early !== undefined) throw new Malformed('data where nothing runs')
    const nobodys = this.#service !== undefined && type !== 0
    if (this.#runs === 'refused' || this.ends.nearClosed || type > stderr || nobodys) {
      down.settle()
      return
    }
    if (this.#service !== undefined) {
      this.#service.fromFar(data)
      return
    }
    if (this.#program?.output(data, type === stderr) === false) return
    down.push(data, type === stderr)
    down.settle()
  }

  farRefused(fields: Reader): void {
    // sshd frees a place a moment after it has said so: asked at once it may refuse once more.
    const again = () => this.#relay.toFar(this.ends.opening('session'))
    if (this.ends.confirmed || this.#asked++ === mostAsked || !this.#relay.host.makeRoom(again))
      this.ends.refuse(fields)
  }

  farClose(): void {
    this.#finish()
    this.#relay.host.stopped(this)
    if (!this.#left) this.#relay.host.ended(this)
    this.endRecords()
    this.ends.closedByFar()
  }

  farRequest(name: string, wantReply: boolean, fields: Reader): void {
    if (name === 'exit-status' || name === 'exit-signal') this.#relay.host.ended(this)
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
    if (wantReply) this.ends.toFar(msg.channelFailure)
  }

  farReplies(done: boolean): void {
    this.#replies.answered(done)
  }

  /** Once, in its place behind the data that came before. scp's own status is the one that we find. */
  #tell(name: string, ...fields: readonly (number | boolean | string)[]): void {
    if (this.#runs === 'refused' || this.#runs === 'scp' || this.#told.has(name)) return
    this.#told.add(name)
    this.ends.down.after(() => this.ends.tellNear(name, ...fields))
    this.ends.down.settle()
  }

  // ---- the client's side

  nearData(data: Buffer): void {
    const { up } = this.ends
    up.spend(data.length)
    if (this.#runs === 'nothing' || this.ends.nearEof) throw new Malformed('data where nothing runs')
    if (this.#runs === 'refused' || this.ends.farCloseSent) return
    if (this.#early === undefined) {
      this.#input(data)
      return
    }
    // The packet is a view of what is read over next.
    this.#early.push(Buffer.from(data), false)
    up.hold(data.length)
  }

  #input(data: Buffer): void {
    const { up } = this.ends
    if (this.#service !== undefined) {
      this.#service.fromNear(data)
      return
    }
    if (this.#program?.input(data) === false) return
    up.push(data, false)
    up.settle()
  }

  nearWidens(bytes: number): void {
    this.ends.down.widen(bytes)
    this.#service?.moved?.()
  }

  nearEof(): void {
    this.ends.eofByNear()
    if (this.#early === undefined) this.#eof()
    else this.#early.after(() => this.#eof())
  }

  #eof(): void {
    if (this.#service?.nearEof === undefined) this.ends.sendEof()
    else this.#service.nearEof()
  }

  /** What nobody watches any more does not go on: sshd hangs up terminals alone, so commands are told as well. */
  nearClose(): void {
    if (this.ends.statusIsLeft && this.#runs !== 'scp') {
      this.ends.closingByNear()
      return
    }
    this.ends.closedByNear()
    if (!this.ends.farClosed && this.#program !== undefined) {
      this.#left = true
      void this.#hangUp().then(honoured =>
        honoured ? this.#relay.host.ended(this) : this.#relay.host.leftBehind(this),
      )
    }
    this.ends.closeFar()
  }

  #hangUp(): Promise<boolean> {
    return this.#signal('HUP', request => this.#relay.toFar(request))
  }

  nearRequest(name: string, wantReply: boolean, fields: Reader): void {
    const sent = this.#ask(name, wantReply, fields)
    // `later`: the host's own answer is passed on. Signals and sizes are never answered.
    if (wantReply && sent !== 'later') this.#replies.now(sent === 'done')
  }

  #ask(name: string, wantReply: boolean, fields: Reader): 'later' | 'done' | 'failed' {
    const { scope } = this.#relay
    const { confirmed, nearEof, farCloseSent } = this.ends
    const fresh = confirmed && this.#runs === 'nothing' && !nearEof && !farCloseSent
    if (name === 'exec' && fresh) {
      const line = fields.bytes()
      const copy = judgeScp(scope, line)
      if (copy !== undefined) return this.#start('scp', copy, wantReply)
      return this.#start('exec', judgeExec(scope, line), wantReply)
    }
    if (name === 'shell' && fresh) return this.#start('shell', judgeShell(scope), wantReply)
    if (name === 'subsystem' && fresh) {
      const asked = fields.text()
      const verdict = judgeSubsystem(scope, asked)
      if (asked === 'sftp') return this.#start('sftp', verdict, wantReply)
      this.#relay.refused(verdict)
      return 'failed'
    }
    if (name === 'pty-req' && fresh && this.#setup.terminal === undefined)
      return this.#passOn(this.#setup.openPty(fields), wantReply)
    if (name === 'env' && fresh) return this.#passOn(this.#setup.setEnv(fields), wantReply)
    if (name === 'window-change' && this.#setup.terminal !== undefined) return this.#resize(fields)
    if (name === 'signal' && this.#program !== undefined) {
      const signal = fields.text()
      return signals.has(signal) ? this.#toHost('signal', signal) : 'failed'
    }
    if (name === 'eow@openssh.com' && !wantReply) return this.#toHost(name)
    if (name === 'auth-agent-req@openssh.com' || name === 'x11-req')
      this.#relay.refused(judgeOther('forward', name, 'agent and X11 forwarding are always off'))
    return 'failed'
  }

  #toHost(name: string, ...fields: readonly (string | number)[]): 'done' | 'failed' {
    const request = this.ends.request(name, false, ...fields)
    if (request === undefined) return 'failed'
    this.#relay.toFar(request)
    return 'done'
  }

  #passOn(asked: Asked, wantReply: boolean): 'later' | 'failed' {
    const request = asked && this.ends.request(asked.request[0], true, ...asked.request.slice(1))
    if (request === undefined) return 'failed'
    this.#replies.later(done => {
      asked?.answered(done)
      return wantReply
    })
    this.#relay.toFar(request)
    return 'later'
  }

  #resize(fields: Reader): 'done' {
    const size = this.#setup.resize(fields)
    if (size === undefined) return 'done'
    this.#program?.resize(size.cols, size.rows)
    this.#toHost('window-change', size.cols, size.rows, 0, 0)
    return 'done'
  }

  #start(
    runs: 'exec' | 'shell' | 'sftp' | 'scp',
    verdict: Verdict,
    wantReply: boolean,
  ): 'later' | 'done' | 'failed' {
    if (!verdict.allow) {
      this.#runs = 'refused'
      this.#relay.refused(this.#setup.withEnv(verdict), this.ends.near)
      // Said as a command that could not be run: OpenSSH's client shows this line and the status, and drops what comes
      // with a plain CHANNEL_FAILURE.
      if (wantReply) this.#replies.now(true)
      this.#lastWords(refusalLine(verdict.denial), 'exit-status', refusedStatus)
      this.ends.closeFar()
      return 'later'
    }
    this.#runs = runs
    this.#replies.later(done => {
      if (!done) this.#relay.host.ended(this)
      if (!done && this.#program !== undefined) this.#program.tag = 'refused by the host'
      if (done) this.#service?.begin?.()
      return wantReply
    })
    this.#early = new Pipe(0, maxPacket, { send: data => this.#input(data), grant: () => undefined })
    this.#setup.whenSettled(() => this.#begin(runs, verdict))
    return 'later'
  }

  #begin(runs: 'exec' | 'shell' | 'sftp' | 'scp', verdict: Verdict): void {
    const early = this.#early
    this.#early = undefined
    if (this.ends.farCloseSent || this.ends.nearClosed) return
    const seq = this.#relay.recorder.statement(this.#setup.withEnv(verdict))
    const { text } = verdict.statement
    if (runs === 'sftp') this.#service = sftpService(this.#relay, this.ends)
    else if (runs === 'scp') this.#service = scpService(this.#relay, this.ends, seq, text)
    else this.#program = new Program(this.#relay, seq, { what: runs, command: text, pty: this.#setup.pty })
    this.#send(seq, runs, text)
    this.#relay.host.started(this)
    if (early === undefined) return
    this.ends.up.hold(-early.waiting)
    early.widen(early.waiting)
  }

  /** The one place from which something is set running on the host: `of` is the number of its record (invariant 7). */
  #send(of: Seq, runs: 'exec' | 'shell' | 'sftp' | 'scp', text: string): void {
    const request =
      runs === 'exec'
        ? this.ends.request('exec', true, text)
        : runs === 'shell'
          ? this.ends.request('shell', true)
          : this.ends.request('subsystem', true, 'sftp')
    if (request === undefined) return
    if (runs === 'exec' || runs === 'shell') this.#relay.host.guard()
    this.#relay.run(of, request)
  }

  // ---- the end

  signal(name: 'HUP' | 'KILL'): Promise<boolean> {
    if (this.ends.farCloseSent) return Promise.resolve(true)
    return this.#signal(name, request => this.#relay.urgent(request))
  }

  #signal(name: 'HUP' | 'KILL', send: (request: Buffer) => void): Promise<boolean> {
    const request = this.ends.request('signal', true, name)
    if (request === undefined) return Promise.resolve(true)
    return new Promise(resolve => {
      this.#replies.later(done => {
        resolve(done)
        return false
      })
      send(request)
    })
  }

  cut(ending: Ending): void {
    this.ends.down.drop()
    if (ending.why === 'client_closed' || this.#runs === 'nothing' || !this.ends.confirmed) return
    this.#lastWords(endingLine(ending), 'exit-signal', 'HUP', false, oneLine(ending.text), '')
  }

  #lastWords(line: string, ...exit: readonly [string, ...(number | boolean | string)[]]): void {
    const { ends } = this
    if (ends.nearCloseSent) return
    // In sftp's stream of packets there is no room for words but on stderr.
    ends.down.lastWords(Buffer.from(line), this.#setup.pty === undefined)
    ends.tellNear(...exit)
    ends.toNear(msg.channelEof)
    ends.closeNear()
  }

  endRecords(): void {
    this.#setup.end()
    this.#service?.end()
    this.#program?.end()
  }
}
