/** What an sftp client is owed: one answer to each request, the host's or one from here. What is under way and what waits for the client is bounded (attack 119). */
import { Bag } from '../../bag.ts'
import type { Verdict } from '../../recording/record.ts'
import { Malformed } from '../../statement/sftp/fields.ts'
import type { Operation } from '../../statement/sftp/operation.ts'
import { fxStatus, reframed, statusPacket } from '../../statement/sftp/packet.ts'
import { judgeOther } from './guard.ts'
import { oneLine } from './refuse.ts'
import type { SftpRelayOptions } from './sftp-sides.ts'

const maxUnderWay = 1024
const maxWaiting = 1024 * 1024

export class SftpReplies {
  readonly #at: SftpRelayOptions
  readonly #asked = new Bag<number>()

  constructor(options: SftpRelayOptions) {
    this.#at = options
  }

  get full(): boolean {
    return this.#asked.size >= maxUnderWay
  }

  asked(id: number): void {
    if (this.#asked.has(id)) throw new Malformed('sftp requests of one number')
    this.#asked.add(id)
  }

  reply(id: number, answer: Buffer): void {
    this.#asked.delete(id)
    answer.writeUInt32BE(id, 1)
    this.#at.client.push(reframed(answer))
  }

  /** An answer from here, where the host is not asked. */
  status(id: number, code: number, text: string): void {
    if (this.#at.client.waiting > maxWaiting) throw new Malformed('sftp answers that are not taken')
    this.#asked.delete(id)
    this.#at.client.push(statusPacket(id, code, oneLine(text)))
  }

  denied({ id, act }: Operation, verdict: Verdict): void {
    this.#at.refused(verdict)
    const say = verdict.allow ? '' : (verdict.denial.say ?? '')
    this.status(id, act === 'unknown' ? fxStatus.opUnsupported : fxStatus.permissionDenied, `postern: ${say}`)
  }

  /** Nothing that could be judged. It counts as refused: whoever asks for nothing else would be answered for ever. */
  unread(id: number, code: number, why: string): void {
    this.#at.refused(judgeOther('sftp', why, 'not a request that means anything'))
    this.status(id, code, why)
  }
}
