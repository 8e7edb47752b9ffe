/** Reads a file line by line in constant memory, as bytes: what was written is what is hashed. */

import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

export interface RawLine {
  /** Without the newline. */
  readonly bytes: Uint8Array
  /** Where the line begins in the file. */
  readonly offset: number
  /** It ends with a newline. Only the last line of a file may not. */
  readonly whole: boolean
}

const chunk = 256 * 1024

/** No line of ours is nearly as long; a longer one is cut into pieces, none of which will verify. */
export const longestLine = 32 * 1024 * 1024

/** Batches of lines, from byte `from` to what is the end when it is reached. */
export async function* readLines(path: string, from = 0): AsyncGenerator<RawLine[], void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    let rest: Uint8Array[] = []
    let restLength = 0
    let start = from
    let position = from
    for (;;) {
      const buffer = Buffer.allocUnsafe(chunk)
      const { bytesRead } = await file.read(buffer, 0, chunk, position)
      if (bytesRead === 0) break
      position += bytesRead
      const batch: RawLine[] = []
      let at = 0
      for (;;) {
        const newline = buffer.indexOf(10, at)
        if (newline < 0 || newline >= bytesRead) break
        const piece = buffer.subarray(at, newline)
        const bytes = restLength === 0 ? piece : Buffer.concat([...rest, piece])
        batch.push({ bytes, offset: start, whole: true })
        start += bytes.length + 1
        rest = []
        restLength = 0
        at = newline + 1
      }
      if (at < bytesRead) {
        rest.push(buffer.subarray(at, bytesRead))
        restLength += bytesRead - at
      }
      if (restLength > longestLine) {
        batch.push({ bytes: Buffer.concat(rest), offset: start, whole: false })
        start += restLength
        rest = []
        restLength = 0
      }
      if (batch.length > 0) yield batch
    }
    if (restLength > 0) yield [{ bytes: Buffer.concat(rest), offset: start, whole: false }]
  } finally {
    await file.close()
  }
}

/** Whole lines from byte `end` backwards, the last one first. */
export async function* readLinesBack(path: string, end: number): AsyncGenerator<RawLine[], void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    let position = end
    // The beginning of the line that the chunk before this one must complete; undefined until the first newline.
    let rest: Uint8Array | undefined
    while (position > 0) {
      const size = Math.min(64 * 1024, position)
      position -= size
      const buffer = Buffer.allocUnsafe(size)
      const { bytesRead } = await file.read(buffer, 0, size, position)
      if (bytesRead < size) return
      const batch: RawLine[] = []
      let to = size
      for (
        let at = buffer.lastIndexOf(10, size - 1);
        at >= 0;
        at = at === 0 ? -1 : buffer.lastIndexOf(10, at - 1)
      ) {
        const piece = buffer.subarray(at + 1, to)
        // What follows the last newline is not a whole line.
        if (rest !== undefined) {
          const bytes = rest.length === 0 ? piece : Buffer.concat([piece, rest])
          batch.push({ bytes, offset: position + at + 1, whole: true })
        }
        rest = Buffer.alloc(0)
        to = at
      }
      if (rest !== undefined) rest = Buffer.concat([buffer.subarray(0, to), rest])
      if (rest !== undefined && rest.length > longestLine) return
      if (batch.length > 0) yield batch
    }
    if (rest !== undefined) yield [{ bytes: rest, offset: 0, whole: true }]
  } finally {
    await file.close()
  }
}
