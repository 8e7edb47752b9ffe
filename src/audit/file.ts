/** The file the audit is writing, the one after it when it is full, and the signed head beside them. */
import { constants, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { genesis, link, type Tip } from '../ledger/chain.ts'
import { type Disk, disk, Journal, syncFolder } from '../ledger/journal.ts'
import { holds, LedgerBroken, lastTip, recover } from '../ledger/recover.ts'
import { type Head, headText, readHead, type SealKey, sealMembers, sealOf } from '../ledger/seal.ts'
import { iso } from '../ledger/text.ts'
import type { Log } from '../telemetry/log.ts'
import type { Clock } from '../words.ts'
import { Spare } from './spare.ts'

export interface AuditFileOptions {
  readonly data: string
  readonly writer?: string
  readonly clock: Clock
  readonly key: SealKey
  readonly log: Log
  readonly disk?: Disk
  readonly rotateAt?: number
}

/** `gw`'s head is head.json; another writer's carries its name. */
export const headName = (writer: string) => (writer === 'gw' ? 'head.json' : `head-${writer}.json`)

const fileName = (writer: string, n: number) => `${writer}-${n}.jsonl`

async function stands(data: string, writer: string, head: Head): Promise<boolean> {
  const known = fileNumbers(join(data, 'audit'), writer).some(
    n => `audit/${fileName(writer, n)}` === head.file,
  )
  return known && (await holds(join(data, head.file), head))
}

/** A seal is shorter than this. */
const firstSeal = 512

/** The numbers of a writer's files, in order. */
export function fileNumbers(folder: string, writer: string): number[] {
  const numbers = readdirSync(folder).flatMap(name => {
    const found = /^([a-z][a-z0-9]*)-([1-9][0-9]*)\.jsonl$/.exec(name)
    return found?.[1] === writer ? [Number(found[2])] : []
  })
  return numbers.sort((a, b) => a - b)
}

export class AuditFile {
  readonly #at: AuditFileOptions
  readonly #writer: string
  readonly #folder: string
  #journal: Journal
  #n: number
  /** What the file's first line goes on from. */
  #start: Tip
  #tip: Tip
  #sealed: Tip
  /** What the head beside the files says. */
  #head: Tip = genesis
  readonly #spare = new Spare()
  /** The former file, while it is synced for the last time. */
  #retiring: Promise<void> = Promise.resolve()

  private constructor(at: AuditFileOptions, n: number, start: Tip, tip: Tip, journal: Journal) {
    this.#at = at
    this.#writer = at.writer ?? 'gw'
    this.#folder = join(at.data, 'audit')
    this.#n = n
    this.#start = start
    this.#tip = tip
    this.#sealed = tip
    this.#journal = journal
  }

  /** Goes on with the last file, recovered if need be. Throws {@link LedgerBroken} if it is not what was signed. */
  static async open(at: AuditFileOptions): Promise<AuditFile> {
    const writer = at.writer ?? 'gw'
    if (!/^[a-z][a-z0-9]*$/.test(writer)) throw new TypeError(`not a writer's name: ${writer}`)
    const folder = join(at.data, 'audit')
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const head = headOf(join(folder, headName(writer)), at.key)
    const n = fileNumbers(folder, writer).at(-1)
    if (n === undefined) {
      if (head !== undefined) throw new LedgerBroken(head.file, 'is gone, but the head says it was written')
      const file = new AuditFile(
        at,
        1,
        genesis,
        genesis,
        Journal.create(join(folder, fileName(writer, 1)), at.disk),
      )
      await syncFolder(folder)
      // There is a head from the first moment on, so that one that is missing was taken away.
      await file.seal()
      return file
    }
    const name = `audit/${fileName(writer, n)}`
    const start =
      n === 1
        ? genesis
        : await lastTip(join(folder, fileName(writer, n - 1)), `audit/${fileName(writer, n - 1)}`)
    // A crash may fall between the change of files and the head that follows it.
    if (head !== undefined && head.file !== name && !(await stands(at.data, writer, head))) {
      throw new LedgerBroken(head.file, `seq ${head.seq} was signed and is not there any more`)
    }
    // The first head follows the first line at once, before anything is decided.
    if (head === undefined && (n > 1 || statSync(join(folder, fileName(writer, n))).size > firstSeal)) {
      throw new LedgerBroken(
        `audit/${headName(writer)}`,
        `is missing: whether the end of ${name} is too cannot be told`,
      )
    }
    const now = at.clock.now()
    const writtenAt = statSync(join(folder, fileName(writer, n))).mtimeMs
    const recovered = await recover({
      path: join(folder, fileName(writer, n)),
      file: name,
      start,
      key: at.key,
      now,
      ...(at.disk === undefined ? {} : { disk: at.disk }),
      ...(head?.file === name ? { signed: { seq: head.seq, hash: head.hash } } : {}),
    })
    if (recovered.torn !== undefined)
      at.log.warn({ file: name, ...recovered.torn }, 'the audit was not closed: recovered')
    const file = new AuditFile(at, n, start, recovered.tip, recovered.journal)
    if (recovered.torn !== undefined) file.interruptedAt = writtenAt
    if (recovered.torn !== undefined) await file.#replaceHead(recovered.tip, name, iso(now))
    else if (head?.file !== name) await file.seal()
    else file.#head = head
    return file
  }

  /** When the file was written last by a process that did not stop in good order. */
  interruptedAt: number | undefined

  /** Relative to `data/`. */
  get name(): string {
    return `audit/${fileName(this.#writer, this.#n)}`
  }

  get tip(): Tip {
    return this.#tip
  }

  get unsealed(): boolean {
    return this.#tip.seq !== this.#sealed.seq
  }

  append(type: string, rest: string, time = iso(this.#at.clock.now())): void {
    const { line, tip } = link(this.#tip, time, type, rest)
    this.#journal.gather(line)
    this.#tip = tip
  }

  flush(): void {
    if (this.#journal.gathered > 0) this.#journal.flush()
  }

  async sync(): Promise<void> {
    const retiring = this.#retiring
    await this.#journal.sync()
    await retiring
  }

  /** Seals, begins the next file if this one is full, syncs, and only then replaces the head. */
  async seal(): Promise<void> {
    const name = this.name
    const now = iso(this.#at.clock.now())
    this.append('seal', sealMembers(sealOf(this.#at.key, name, this.#tip)), now)
    this.flush()
    const sealed = this.#tip
    this.#sealed = sealed
    if (this.#journal.size >= (this.#at.rotateAt ?? 64 * 1024 * 1024)) this.#rotate()
    await this.sync()
    await this.#replaceHead(sealed, name, now)
  }

  /** After a lost write: the same recovery as after a crash. */
  async mend(facts: Readonly<Record<string, unknown>>): Promise<void> {
    this.#journal.close()
    const recovered = await recover({
      path: join(this.#folder, fileName(this.#writer, this.#n)),
      file: this.name,
      start: this.#start,
      key: this.#at.key,
      now: this.#at.clock.now(),
      ...(this.#at.disk === undefined ? {} : { disk: this.#at.disk }),
      facts,
      // Of an earlier file it says nothing: `recover` looks only at what comes after its start.
      signed: this.#head,
    })
    this.#journal = recovered.journal
    this.#tip = recovered.tip
  }

  close(): void {
    this.#journal.close()
    this.#spare.giveUp()
  }

  // Nothing may be written between the seal that ends a file and the switch, so this does not wait.
  #rotate(): void {
    const old = this.#journal
    this.#journal = Journal.create(join(this.#folder, fileName(this.#writer, this.#n + 1)), this.#at.disk)
    this.#n++
    this.#start = this.#tip
    this.#retiring = Promise.all([old.sync(), syncFolder(this.#folder)]).then(() => old.close())
    // Whoever syncs next awaits it; until then a failure is nobody's unhandled rejection.
    this.#retiring.catch(() => undefined)
  }

  async #replaceHead(tip: Tip, name: string, time: string): Promise<void> {
    const path = join(this.#folder, headName(this.#writer))
    const fresh = join(this.#folder, `.${headName(this.#writer)}.new`)
    const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants
    const file = this.#spare.open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
    try {
      writeFileSync(file, headText(this.#at.key, name, tip, time))
      await disk.sync(file)
    } finally {
      this.#spare.close(file)
    }
    await rename(fresh, path)
    this.#head = tip
  }
}

function headOf(path: string, key: SealKey): Head | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const head = readHead(text, key.publicKey)
  if (typeof head === 'string') throw new LedgerBroken('audit/head.json', head)
  return head
}
