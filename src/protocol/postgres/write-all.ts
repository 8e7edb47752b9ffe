/** Writes a turn's pieces: few bytes as one write, more of them uncopied. False asks to wait for `drain`. */
import type { Duplex } from 'node:stream'

const SMALL = 16 * 1024

export function writeAll(to: Duplex, pieces: readonly Buffer[]): boolean {
  const [first] = pieces
  if (first !== undefined && pieces.length === 1) return to.write(first)
  if (pieces.reduce((sum, piece) => sum + piece.length, 0) <= SMALL) return to.write(Buffer.concat(pieces))
  to.cork()
  let room = true
  for (const piece of pieces) room = to.write(piece)
  to.uncork()
  return room
}
