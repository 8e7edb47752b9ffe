/**
 * An sftp subsystem, relayed packet by packet: each request is judged and recorded before it goes to the host, a refused
 * one is answered here. Files that were read are recorded with their size and digest.
 *
 * Of the host's extensions none is announced: what cannot be judged is not offered (attack 118). Handles, requests under
 * way and what waits for the client are all bounded (attack 119).
 */
import { createHash, type Hash } from 'node:crypto'
import type { Seq } from '../../recording/record.ts'
import { Malformed, message, Reader } from '../../statement/sftp/fields.ts'
import { type Operation, readOperation } from '../../statement/sftp/operation.ts'
import { Frames, framed, fxp, fxStatus, maxReadBytes, statusPacket } from '../../statement/sftp/packet.ts'
import { judgeSftp } from './guard.ts'
import type { Pipe } from './pipe.ts'
import { oneLine } from './refuse.ts'
import type { RelaySide } from './relay.ts'

const version = 3
const maxHandles = 128
const maxUnderWay = 1024
const maxWaiting = 1024 * 1024

/** A file or directory that the client holds open. */
interface Open {
  readonly seq: Seq
  readonly path: string
  readonly file: boolean
  bytes: number
  /** Of the bytes read from the start without a gap; dropped at the first jump. */
  hash: Hash | undefined
}

interface UnderWay {
  readonly name: string
  readonly seq?: Seq
  readonly path?: string
  readonly open?: Open
  readonly offset?: bigint
}

export class SftpRelay {
  readonly #relay: RelaySide
  readonly #up: Pipe
  readonly #down: Pipe
  readonly #requests = new Frames()
  readonly #answers = new Frames()
  readonly #underWay = new Map<number, UnderWay>()
  readonly #open = new Map<string, Open>()
  #opening = 0
  #greeted: 'no' | 'asked' | 'yes' = 'no'

  constructor(relay: RelaySide, up: Pipe, down: Pipe) {
    this.#relay = relay
    this.#up = up
    this.#down = down
  }

  fromNear(data: Buffer): void {
    this.#requests.push(data)
    for (let body = this.#requests.next(); body !== undefined; body = this.#requests.next())
      this.#request(body)
    this.#up.settle()
    this.#down.settle()
  }

  fromFar(data: Buffer): void {
    this.#answers.push(data)
    for (let body = this.#answers.next(); body !== undefined; body = this.#answers.next()) this.#answer(body)
    this.#down.settle()
  }

  #request(body: Buffer): void {
    if (this.#greeted === 'no') {
      if (body[0] !== fxp.init || new Reader(body, 1).u32() < version) throw new Malformed('sftp version')
      this.#greeted = 'asked'
      this.#up.push(framed(message(fxp.init, version)), false)
      return
    }
    const operation = readOperation(body)
    if (this.#underWay.has(operation.id)) throw new Malformed('an sftp request number in use')
    if ('misread' in operation) this.#refuse(operation.id, fxStatus.badMessage, operation.misread)
    else if (operation.handle !== undefined) this.#onHandle(operation, operation.handle, body)
    else this.#onPaths(operation, body)
  }

  /** What a handle may be used for was judged when it was opened, but for what writes: that is never in scope yet. */
  #onHandle(operation: Operation, handle: string, body: Buffer): void {
    const open = this.#open.get(handle)
    if (open === undefined) {
      this.#refuse(operation.id, fxStatus.failure, 'no such handle')
      return
    }
    if (operation.act !== 'read') {
      this.#denied(operation)
      return
    }
    if (operation.name === 'close') this.#open.delete(handle)
    const { read } = operation
    if (read !== undefined && read.length > maxReadBytes) body.writeUInt32BE(maxReadBytes, body.length - 4)
    this.#pass(operation.id, body, {
      name: operation.name,
      open,
      ...(read === undefined ? {} : { offset: read.offset }),
    })
  }

  #onPaths(operation: Operation, body: Buffer): void {
    const verdict = judgeSftp(this.#relay.scope, operation)
    if (!verdict.allow) {
      this.#denied(operation)
      return
    }
    const opens = operation.name === 'open' || operation.name === 'opendir'
    if (opens && this.#open.size + this.#opening >= maxHandles) {
      this.#refuse(operation.id, fxStatus.failure, `at most ${maxHandles} open files`)
      return
    }
    const seq = this.#relay.recorder.statement(verdict)
    if (opens) this.#opening++
    this.#pass(operation.id, body, { name: operation.name, seq, path: operation.paths[0] ?? '' })
  }

  #denied(operation: Operation): void {
    const verdict = judgeSftp(this.#relay.scope, operation)
    this.#relay.refused(verdict)
    const say = verdict.allow ? '' : (verdict.denial.say ?? '')
    const unknown = operation.act === 'unknown'
    this.#refuse(
      operation.id,
      unknown ? fxStatus.opUnsupported : fxStatus.permissionDenied,
      `postern: ${say}`,
    )
  }

  #refuse(id: number, code: number, text: string): void {
    if (this.#down.waiting > maxWaiting) throw new Malformed('sftp answers that are not taken')
    this.#down.push(statusPacket(id, code, oneLine(text)), false)
  }

  #pass(id: number, body: Buffer, underWay: UnderWay): void {
    if (this.#underWay.size >= maxUnderWay) throw new Malformed('too many sftp requests at once')
    this.#underWay.set(id, underWay)
    this.#up.push(framed(body), false)
  }

  #answer(body: Buffer): void {
    if (this.#greeted === 'asked') {
      if (body[0] !== fxp.version) throw new Malformed('sftp version of the host')
      this.#greeted = 'yes'
      this.#down.push(framed(message(fxp.version, version)), false)
      return
    }
    const fields = new Reader(body, 1)
    const id = fields.u32()
    const asked = this.#underWay.get(id)
    if (asked === undefined) throw new Malformed('an sftp answer to nothing')
    this.#underWay.delete(id)
    if (asked.name === 'open' || asked.name === 'opendir')
      this.#opened(asked, body[0] === fxp.handle ? fields.bytes() : undefined)
    else if (asked.name === 'read' && body[0] === fxp.data) this.#bytesRead(asked, fields.bytes())
    else if (asked.name === 'close' && asked.open !== undefined) this.#closed(asked.open)
    this.#down.push(framed(body), false)
  }

  #opened(asked: UnderWay, handle: Buffer | undefined): void {
    this.#opening--
    const { seq, path = '' } = asked
    if (seq === undefined) return
    const file = asked.name === 'open'
    if (handle === undefined) {
      this.#relay.recorder.file(seq, { act: 'read', path, error: 'the host did not open it' })
      return
    }
    const key = handle.toString('latin1')
    if (handle.length > 256 || this.#open.has(key)) throw new Malformed('a handle of the host')
    this.#open.set(key, { seq, path, file, bytes: 0, hash: file ? createHash('sha256') : undefined })
  }

  #bytesRead({ open, offset }: UnderWay, data: Buffer): void {
    if (open === undefined) return
    if (offset === BigInt(open.bytes)) open.hash?.update(data)
    else open.hash = undefined
    open.bytes += data.length
  }

  #closed(open: Open, error?: string): void {
    if (!open.file) return
    const digest = open.hash?.digest('hex')
    open.hash = undefined
    this.#relay.recorder.file(open.seq, {
      ...{ act: 'read', path: open.path, bytes: open.bytes },
      ...(digest === undefined ? {} : { digest }),
      ...(error === undefined ? {} : { error }),
    })
  }

  /** The channel is over: what was still open is recorded as far as it was read. */
  end(): void {
    for (const open of this.#open.values()) this.#closed(open, 'left open')
    this.#open.clear()
  }
}
