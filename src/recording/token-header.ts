/**
 * Whether some base64url is a JSON object, as a token's header is. It is read where it stands and only as far as it looks like
 * one: nothing is copied, and nothing thrown. Pure. What no JSON reader takes may pass here; what one takes does, unless it is
 * nested deeper than any header.
 */

const values = new Int8Array(128).fill(-1)
for (const [value, char] of [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'].entries())
  values[char.charCodeAt(0)] = value

const code = (char: string) => char.charCodeAt(0)
const [quote, backslash, open, close, openList, closeList] = [...'"\\{}[]'].map(code)
/** Between strings and brackets: numbers, `true`, `false`, `null`, commas, colons and blanks. */
const plain = new Set([...'0123456789+-.eEtrufalsn,: \t\r\n'].map(code))
const firstPrintable = 32
const deepest = 30

/** The text holds nothing but base64url there. */
export function isHeader(text: string, start: number, end: number): boolean {
  const bytes = Math.floor(((end - start) * 3) / 4)
  // The brackets that are open, a bit for each, the newest lowest.
  let depth = 0
  let lists = 0
  let inString = false
  for (let at = 0; at < bytes; at++) {
    const byte = byteAt(text, start, at)
    if (inString) {
      if (byte < firstPrintable) return false
      if (byte === backslash) at++
      else if (byte === quote) inString = false
    } else if (byte === quote) {
      inString = true
    } else if (byte === open || byte === openList) {
      if (depth === deepest || (depth === 0 && byte === openList)) return false
      depth++
      lists = (lists << 1) | (byte === openList ? 1 : 0)
    } else if (byte === close || byte === closeList) {
      if (depth === 0 || (lists & 1) !== (byte === closeList ? 1 : 0)) return false
      depth--
      lists >>= 1
      if (depth === 0) return onlyBlanks(text, start, at + 1, bytes)
    } else if (depth === 0 || !plain.has(byte)) {
      return false
    }
  }
  return false
}

function onlyBlanks(text: string, start: number, from: number, bytes: number): boolean {
  for (let at = from; at < bytes; at++) if (!isBlank(byteAt(text, start, at))) return false
  return true
}

function isBlank(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13)
}

/** Four characters hold three bytes. */
function byteAt(text: string, start: number, at: number): number {
  const place = at % 3
  const first = start + ((at - place) / 3) * 4 + place
  const [high, low] = [values[text.charCodeAt(first)] ?? 0, values[text.charCodeAt(first + 1)] ?? 0]
  return ((high << (2 + 2 * place)) | (low >> (4 - 2 * place))) & 0xff
}
