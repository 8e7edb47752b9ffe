/**
 * An sftp subsystem, relayed packet by packet: each request is judged and recorded before it goes to the host, a refused
 * one is answered here. Files that were read or written are recorded with their size and digest.
 *
 * Where the scope limits paths, the host is asked first what a path really is (REALPATH), and that answer is what is
 * judged and used: `..` and links lead nowhere else (attack 117). What cannot be judged is not offered (attack 118).
 * Handles, requests under way and what waits for the client are all bounded (attack 119).
 */
import { Bag } from '../../bag.ts'
import type { Seq, Verdict } from '../../recording/record.ts'
import { readDetailed } from '../../statement/sftp/attributes.ts'
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import { needs, type Operation, openFlags, withPaths } from '../../statement/sftp/operation.ts'
import { Frames, framed, fxp, fxStatus, maxReadBytes, reframed } from '../../statement/sftp/packet.ts'
import { type Open, OpenFiles } from './files.ts'
import { allowsAsIs, judgeSftp, judgeUnresolved } from './guard.ts'
import { startOf } from './paths.ts'
import { realPaths } from './real-paths.ts'
import { announced, cappedLimits, nameIn, statusOf } from './sftp-answers.ts'
import { Intake } from './sftp-intake.ts'
import { SftpReplies } from './sftp-replies.ts'
import type { SftpRelayOptions } from './sftp-sides.ts'

const version = 3

/** One request that is being looked into: the client's number for it, and its verdict so far. */
interface Looking {
  readonly operation: Operation
  readonly body: Buffer
  readonly verdict: Verdict
  readonly leave: () => void
}

export class SftpRelay {
  readonly #at: SftpRelayOptions
  readonly #requests: Intake
  readonly #answers = new Frames()
  /** By our own number, for what the host owes: the client's numbers never reach it. */
  readonly #owed = new Bag<{ readonly id: number; readonly then: (answer: Buffer) => void }>()
  readonly #replies: SftpReplies
  readonly #files: OpenFiles
  readonly #held = new Bag<() => void>()
  #next = 0
  #start = '/'
  #greeted: 'no' | 'asked' | 'starting' | 'yes' = 'no'
  #ended = false

  constructor(options: SftpRelayOptions) {
    this.#at = options
    this.#files = new OpenFiles(options.recorder)
    this.#replies = new SftpReplies(options)
    this.#requests = new Intake(options.ends, {
      request: body => this.#request(body),
      full: () => this.#replies.full,
      settle: () => this.#settle(),
    })
  }

  fromNear(data: Buffer): void {
    this.#requests.push(data)
  }

  nearEof(): void {
    this.#requests.after(() => this.#at.ends.sendEof())
  }

  fromFar(data: Buffer): void {
    this.#answers.push(data)
    for (let body = this.#answers.next(); body !== undefined; body = this.#answers.next()) this.#answer(body)
    this.#requests.answered()
    this.#settle()
  }

  #settle(): void {
    this.#at.ends.up.settle()
    this.#at.client.settle()
  }

  // ---- the client's requests

  #request(body: Buffer): void {
    if (this.#greeted === 'no') {
      if (body[0] !== fxp.init || new Reader(body, 1).u32() < version) throw new Malformed('sftp version')
      this.#greeted = 'asked'
      this.#at.ends.up.push(framed(message(fxp.init, version)), false)
      return
    }
    const operation = readDetailed(body)
    if (this.#greeted !== 'yes') throw new Malformed('sftp requests too early')
    this.#replies.asked(operation.id)
    if ('misread' in operation) this.#replies.unread(operation.id, fxStatus.badMessage, operation.misread)
    else if (operation.handle !== undefined) this.#onHandle(operation, operation.handle, body)
    else this.#onPaths(operation, body)
  }

  #onHandle(operation: Operation, handle: string, body: Buffer): void {
    const open = this.#files.get(handle)
    if (open === undefined) {
      this.#replies.unread(operation.id, fxStatus.failure, 'no such handle')
      return
    }
    const verdict = judgeSftp(this.#at.scope, operation, [open.path], open.opened)
    if (!verdict.allow) {
      this.#replies.denied(operation, verdict)
      return
    }
    if (operation.name === 'close') {
      this.#close(operation, handle, open, body)
      return
    }
    open.owed++
    const { id, name, read, write, size } = operation
    if (read !== undefined) {
      if (read.length > maxReadBytes) body.writeUInt32BE(maxReadBytes, body.length - 4)
      this.#ask(reframed(body), this.#reading(operation, open, read.offset))
      return
    }
    const isWrite = write !== undefined
    if (isWrite) open.written.add(write.offset, write.data)
    if (size !== undefined) open.written.spoil()
    // What went into the file is recorded when it is closed; what became of its mode, owner, times or size is a change of its own.
    const seq = name === 'fsetstat' ? this.#at.recorder.statement(verdict) : undefined
    // Nothing in it holds on to the packet, of which a thousand of 32 KiB may be owed for (attack 192).
    this.#ask(reframed(body), answer => {
      open.owed--
      const status = statusOf(answer)
      if (isWrite && status !== fxStatus.ok) open.written.spoil()
      if (seq !== undefined) this.#changed(seq, name, open.path, status)
      this.#replies.reply(id, answer)
    })
  }

  #changed(seq: Seq, act: string, path: string, status: number | undefined): void {
    const error = `the host answered with status ${status}`
    this.#at.recorder.file(seq, { act, path, ...(status === fxStatus.ok ? {} : { error }) })
  }

  #reading(operation: Operation, open: Open, offset: bigint): (answer: Buffer) => void {
    return answer => this.#wasRead(operation, open, offset, answer)
  }

  #wasRead(operation: Operation, open: Open, offset: bigint, answer: Buffer): void {
    open.owed--
    if (answer[0] !== fxp.data) {
      this.#replies.reply(operation.id, answer)
      return
    }
    const data = new Reader(answer, 5).bytes()
    const verdict = judgeSftp(
      this.#at.scope,
      { ...operation, write: { offset, data } },
      [open.path],
      open.opened,
    )
    if (!verdict.allow) {
      this.#replies.denied(operation, verdict)
      return
    }
    open.read.add(offset, data)
    this.#replies.reply(operation.id, answer)
  }

  /**
   * What was only read, and of which nothing is owed any more, is closed for the client at once: the host's answer could
   * tell it nothing, and many small files are a matter of round trips.
   */
  #close(operation: Operation, handle: string, open: Open, body: Buffer): void {
    this.#files.close(handle)
    const atOnce = open.owed === 0 && !open.opened.has('write')
    this.#ask(reframed(body), answer => {
      if (atOnce) return
      this.#files.closed(open)
      this.#replies.reply(operation.id, answer)
    })
    if (!atOnce) return
    this.#files.closed(open)
    this.#replies.status(operation.id, fxStatus.ok, '')
  }

  #onPaths(operation: Operation, body: Buffer): void {
    const { scope, turnstile, ends } = this.#at
    const verdict = judgeUnresolved(scope, operation, this.#start)
    if (!verdict.allow) {
      this.#replies.denied(operation, verdict)
      return
    }
    if (opens(operation) && !this.#files.reserve()) {
      this.#replies.status(operation.id, fxStatus.failure, 'too many open files')
      return
    }
    if (operation.paths.length === 0 || allowsAsIs(scope, operation)) {
      this.#perform({ operation, body, verdict, leave: () => undefined }, operation.paths)
      return
    }
    // The packet is a view of what is read over next. What is kept counts against the client's window.
    const kept = Buffer.from(body)
    ends.up.hold(kept.length)
    turnstile.enter(operation.paths.length > 1, leave => {
      if (this.#ended) return leave()
      this.#held.add(leave)
      const left = () => {
        this.#held.delete(leave)
        ends.up.hold(-kept.length)
        leave()
      }
      this.#resolve({ operation, body: kept, verdict, leave: left })
    })
  }

  #resolve(looking: Looking): void {
    const { operation, verdict, leave } = looking
    const ask = (packet: Buffer, then: (answer: Buffer) => void) => this.#ask(packet, then)
    realPaths(operation, this.#start, ask, (paths, answer) => {
      if (paths !== undefined && operation.name !== 'realpath') {
        this.#resolved(looking, paths)
        return
      }
      const judged = paths === undefined ? verdict : judgeSftp(this.#at.scope, operation, paths)
      leave()
      if (opens(operation)) this.#files.notOpened()
      if (judged.allow) {
        // Where nothing is there, nothing was done: the host's own words say so.
        this.#at.recorder.statement(judged)
        this.#replies.reply(operation.id, answer)
      } else {
        this.#replies.denied(operation, judged)
      }
    })
    this.#at.ends.up.settle()
  }

  #resolved(looking: Looking, paths: readonly string[]): void {
    const { operation, body, leave } = looking
    const verdict = judgeSftp(this.#at.scope, operation, paths)
    if (verdict.allow) {
      this.#perform({ ...looking, verdict, body: withPaths(body, paths) }, paths, paths[0])
      return
    }
    if (opens(operation)) this.#files.notOpened()
    leave()
    this.#replies.denied(operation, verdict)
  }

  /** Sends what was allowed. `still` is what its path must still be afterwards. */
  #perform({ operation, body, verdict, leave }: Looking, paths: readonly string[], still?: string): void {
    const seq = this.#at.recorder.statement(verdict)
    const packet = framed(body)
    if (opens(operation)) {
      const path = paths[0] ?? ''
      if (still === undefined) this.#ask(packet, answer => this.#opened(operation, seq, path, answer))
      else this.#openAndLookAgain(packet, operation, seq, still, leave)
      return
    }
    this.#ask(packet, answer => {
      leave()
      if (operation.act === 'write') this.#changed(seq, operation.name, paths.join(' -> '), statusOf(answer))
      this.#replies.reply(
        operation.id,
        operation.name === 'limits@openssh.com' ? cappedLimits(answer) : answer,
      )
    })
  }

  /** The question goes right behind the open: somebody on the host would have to swap the path and swap it back. */
  #openAndLookAgain(packet: Buffer, operation: Operation, seq: Seq, path: string, leave: () => void): void {
    let opened: Buffer = Buffer.alloc(0)
    this.#ask(packet, answer => {
      opened = framed(answer).subarray(4)
    })
    this.#ask(framed(message(fxp.realpath, 0, path)), answer => {
      leave()
      const real = nameIn(answer)
      if (opened[0] !== fxp.handle || real === path) return this.#opened(operation, seq, path, opened)
      this.#files.notOpened()
      this.#ask(framed(message(fxp.close, 0, new Reader(opened, 5).bytes())), () => undefined)
      this.#at.recorder.file(seq, { act: 'open', path, error: 'the path became another while it was opened' })
      return this.#replies.status(operation.id, fxStatus.permissionDenied, 'postern: the path is changing')
    })
  }

  #opened(operation: Operation, seq: Seq, path: string, answer: Buffer): void {
    if (answer[0] === fxp.handle) {
      const acts = needs(operation) ?? []
      const appends = ((operation.flags ?? 0) & openFlags.append) !== 0
      const how = { file: operation.name === 'open', acts, appends }
      this.#files.opened(new Reader(answer, 5).bytes(), seq, path, how)
    } else {
      this.#files.notOpened()
      this.#at.recorder.file(seq, { act: operation.act, path, error: 'the host did not open it' })
    }
    this.#replies.reply(operation.id, answer)
  }

  // ---- the host's answers

  #ask(packet: Buffer, then: (answer: Buffer) => void): void {
    const id = this.#next
    this.#next = (id + 1) >>> 0
    packet.writeUInt32BE(id, 5)
    this.#owed.add({ id, then })
    this.#at.ends.up.push(packet, false)
  }

  #answer(body: Buffer): void {
    if (this.#greeted === 'asked') {
      if (body[0] !== fxp.version) throw new Malformed('sftp version of the host')
      this.#welcome(announced(body, this.#at.scope))
      return
    }
    const id = new Reader(body, 1).u32()
    const owed = this.#owed.find(one => one.id === id)
    if (owed === undefined) throw new Malformed('an sftp answer to nothing')
    this.#owed.delete(owed)
    owed.then(body)
  }

  #welcome(extensions: readonly string[]): void {
    const { sftp } = this.#at.scope
    const ready = (start: string) => {
      this.#start = start
      this.#greeted = 'yes'
      this.#at.client.push(framed(message(fxp.version, version, ...extensions)))
    }
    if (typeof sftp === 'string') {
      ready('/')
      return
    }
    this.#greeted = 'starting'
    this.#ask(framed(message(fxp.realpath, 0, '.')), answer => ready(startOf(sftp, nameIn(answer) ?? '/')))
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#files.end()
    for (const leave of this.#held.all()) leave()
  }
}

function opens({ name }: Operation): boolean {
  return name === 'open' || name === 'opendir'
}
