/**
 * Makes what a terminal showed safe to show again (attacks 131, 181). A recording holds what the host sent, raw; played
 * as it is, it could set the reader's clipboard (OSC 52), ask the terminal questions whose answers are typed into the
 * reader's shell (DSR, DA, DECRQSS), change titles or leave modes behind. So only what draws is let through: text, cursor
 * movement, erasing, colours, the alternate screen. Pure: state and a piece in, state and safe text out.
 */

export type ReplayState =
  | { readonly at: 'text' }
  | { readonly at: 'escape' }
  /** After ESC and an intermediate character. */
  | { readonly at: 'charset'; readonly of: string }
  /** Between ESC [ and its last character. */
  | { readonly at: 'csi'; readonly text: string }
  /** Within OSC, DCS, SOS, PM or APC. */
  | { readonly at: 'string'; readonly length: number }

export const replayStart: ReplayState = { at: 'text' }

/** What a terminal is set back to when a replay ends, however it ends. */
export const replayReset =
  '\u001b[0m\u001b[4l\u001b[?7h\u001b[?47l\u001b[?1047l\u001b[?1049l\u001b[r\u001b(B\u001b[?25h'

const longestCsi = 64
/** A string that never ends must not hide the rest of the replay from its reader. */
const longestString = 4096

/** Finals that move, erase, scroll or colour. None of them makes the terminal answer. */
const drawing = /^[0-9;:]*[ABCDEFGHJKLMPSTX@`adefmr]$/
const modes = /^(?:\?(?:7|25|47|1047|1049)(?:;(?:7|25|47|1047|1049))*|4)[hl]$/

export function replaySafe(state: ReplayState, piece: string): { state: ReplayState; text: string } {
  let now = state
  let text = ''
  for (const char of piece) {
    const code = char.codePointAt(0) ?? 0
    if (now.at === 'string') {
      now = inString(now.length, code)
      // Its end is the beginning of the next sequence, so it is looked at again only if it is one.
      continue
    }
    if (code === 0x1b) {
      now = { at: 'escape' }
      continue
    }
    if (code === 0x18 || code === 0x1a) {
      now = replayStart
      continue
    }
    if (now.at === 'text') {
      if (shown(code)) text += char
      continue
    }
    if (code < 0x20) {
      // Terminals obey a control within a sequence at once and go on with it.
      if (shown(code)) text += char
      continue
    }
    const next = inSequence(now, char)
    now = next.state
    text += next.text
  }
  return { state: now, text }
}

function inString(length: number, code: number): ReplayState {
  if (code === 0x07 || code === 0x9c || code === 0x18 || code === 0x1a || code === 0x0a) return replayStart
  if (code === 0x1b) return { at: 'escape' }
  return length >= longestString ? replayStart : { at: 'string', length: length + 1 }
}

function inSequence(
  now: Exclude<ReplayState, { at: 'text' | 'string' }>,
  char: string,
): { state: ReplayState; text: string } {
  const intermediate = char >= ' ' && char <= '/'
  if (now.at === 'charset') {
    if (intermediate) return { state: { at: 'charset', of: '' }, text: '' }
    const drawn = now.of === '(' && (char === '0' || char === 'B')
    return { state: replayStart, text: drawn ? `\u001b(${char}` : '' }
  }
  if (now.at === 'escape') {
    if (char === '[') return { state: { at: 'csi', text: '' }, text: '' }
    if (intermediate) return { state: { at: 'charset', of: char }, text: '' }
    if (']PX^_'.includes(char)) return { state: { at: 'string', length: 0 }, text: '' }
    return { state: replayStart, text: '78DEM'.includes(char) ? `\u001b${char}` : '' }
  }
  const csi = now.text + char
  if (char >= '@' && char <= '~') {
    return { state: replayStart, text: drawing.test(csi) || modes.test(csi) ? `\u001b[${csi}` : '' }
  }
  return csi.length > longestCsi
    ? { state: replayStart, text: '' }
    : { state: { at: 'csi', text: csi }, text: '' }
}

/** Text, and the controls that move the cursor. No C1 controls, and none of the marks that turn text around. */
function shown(code: number): boolean {
  if (code < 0x20) return code === 0x08 || code === 0x09 || code === 0x0a || code === 0x0d
  if (code >= 0x7f && code <= 0x9f) return false
  return !((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
}
