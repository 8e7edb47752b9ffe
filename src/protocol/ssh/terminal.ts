/** The numbers of a terminal as a client claims them, made into ones that a host and a recording can live with. Pure. */
import { Malformed, type Reader } from '../../statement/sftp/fields.ts'

export interface Terminal {
  readonly term: string
  readonly cols: number
  readonly rows: number
  /** Encoded terminal modes, RFC 4254 section 8; at most {@link maxModes} bytes. */
  readonly modes: Buffer
}

/** Every mode there is takes under 300 bytes; a megabyte of them is an attack (attack 130). */
const maxModes = 1024
const maxSide = 1000

export function readTerminal(fields: Reader): Terminal {
  const term = fields.text()
  const { cols, rows } = readSize(fields)
  const modes = Buffer.from(fields.bytes())
  fields.end()
  if (modes.length > maxModes) throw new Malformed('terminal modes')
  return { term, cols, rows, modes }
}

/** Columns and rows; the pixels are read over, for nothing uses them. */
export function readSize(fields: Reader): { cols: number; rows: number } {
  const cols = side(fields.u32(), 80)
  const rows = side(fields.u32(), 24)
  fields.u32()
  fields.u32()
  return { cols, rows }
}

function side(claimed: number, usual: number): number {
  return claimed === 0 ? usual : Math.min(claimed, maxSide)
}
