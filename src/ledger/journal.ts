/**
 * A file that is only ever appended to. Lines are gathered and written by one synchronous write(2) a turn (safe from
 * kill -9 once it returns); fdatasync runs off the loop. A failed or short write that cannot be completed leaves a torn
 * line: the journal is then lost for good and its owner recovers the file ({@link file://./recover.ts}).
 */
import { closeSync, constants, fdatasync, fstatSync, openSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'

/** The two calls that can fail, handed in so that tests can make them fail. */
export interface Disk {
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number
  sync(fd: number): Promise<void>
}

export const disk: Disk = {
  write: (fd, bytes, offset, length) => writeSync(fd, bytes, offset, length),
  sync: fd =>
    new Promise((resolve, reject) => fdatasync(fd, error => (error === null ? resolve() : reject(error)))),
}

// One buffer for all journals: writes are synchronous, so nobody else can be using it.
const scratch = Buffer.allocUnsafeSlow(256 * 1024)

export class Journal {
  readonly #fd: number
  readonly #disk: Disk
  #gathered = ''
  #size: number
  #syncing = 0
  #closed = false

  constructor(fd: number, io: Disk = disk) {
    this.#fd = fd
    this.#disk = io
    this.#size = fstatSync(fd).size
  }

  /** A file that must not exist yet; no link is followed (attack 186, attack 206). */
  static create(path: string, io?: Disk): Journal {
    const { O_WRONLY, O_CREAT, O_EXCL, O_APPEND, O_NOFOLLOW } = constants
    return new Journal(openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW, 0o600), io)
  }

  /** A file that must exist. */
  static reopen(path: string, io?: Disk): Journal {
    return new Journal(openSync(path, constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW), io)
  }

  /** Bytes in the file. */
  get size(): number {
    return this.#size
  }

  /** Characters that wait for {@link flush}. */
  get gathered(): number {
    return this.#gathered.length
  }

  /** One line, without its newline. */
  gather(line: string): void {
    this.#gathered += `${line}\n`
  }

  /** Writes all that was gathered and returns it as bytes, valid until the next flush of any journal. Throws the system's error. */
  flush(): Uint8Array {
    const text = this.#gathered
    this.#gathered = ''
    let bytes: Uint8Array = scratch
    let length = 0
    if (text.length * 3 <= scratch.length) length = scratch.write(text, 'utf8')
    else {
      bytes = Buffer.from(text, 'utf8')
      length = bytes.length
    }
    return this.write(bytes.subarray(0, length))
  }

  /** Bytes that are no line of their own. Throws the system's error. */
  write(bytes: Uint8Array): Uint8Array {
    let done = 0
    while (done < bytes.length) {
      const wrote = this.#disk.write(this.#fd, bytes, done, bytes.length - done)
      // A write of nothing would be tried for ever.
      if (wrote <= 0) throw new Error('write(2) wrote nothing')
      done += wrote
      this.#size += wrote
    }
    return bytes
  }

  /** fdatasync of what has been written when it is called. */
  async sync(): Promise<void> {
    this.#syncing++
    try {
      await this.#disk.sync(this.#fd)
    } finally {
      this.#syncing--
      if (this.#closed && this.#syncing === 0) closeSync(this.#fd)
    }
  }

  /** Closes the file once no sync is under way: a number that is closed under one could be another file's by then. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    if (this.#syncing === 0) closeSync(this.#fd)
  }
}

/** A new name in a folder is safe from a power cut only once the folder is synced too. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
