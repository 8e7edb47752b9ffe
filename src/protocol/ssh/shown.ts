/** Of a terminal's bytes those that make a character or end a line: without escape sequences and other controls. Pure. */

export type ShownState = 'text' | 'escape' | 'csi' | 'string'

export const shownStart: ShownState = 'text'

export function shownBytes(
  from: ShownState,
  bytes: Iterable<number>,
): { readonly state: ShownState; readonly shown: number[] } {
  let state = from
  const shown: number[] = []
  for (const byte of bytes) {
    if (byte === 0x1b) state = 'escape'
    else if (state === 'text') {
      if ((byte >= 0x20 && byte !== 0x7f) || byte === 0x0a || byte === 0x0d) shown.push(byte)
    } else state = after(state, byte)
  }
  return { state, shown }
}

/** ECMA-48, as far as it takes to find a sequence's end. */
function after(state: Exclude<ShownState, 'text'>, byte: number): ShownState {
  if (state === 'string') return byte === 0x07 ? 'text' : 'string'
  if (state === 'csi') return byte >= 0x40 && byte <= 0x7e ? 'text' : 'csi'
  if (byte === 0x5b) return 'csi'
  // ] P X ^ _: strings, which BEL or ESC \ ends.
  if ([0x5d, 0x50, 0x58, 0x5e, 0x5f].includes(byte)) return 'string'
  return byte >= 0x20 && byte <= 0x2f ? 'escape' : 'text'
}
