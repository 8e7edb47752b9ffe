/**
 * A query's parameters by name. The text itself is sent on as it came; what two servers would split or decode
 * differently is refused, so the names that are judged are the names that arrive. Pure.
 */

export type Query = { readonly names: readonly string[] } | { readonly unreadable: string }

const longest = 8192
const most = 512

/** Everything a query may hold as itself, and `%`; browsers and SDKs leave `[]{}|^` and backquotes as they are. */
const allowed = /^[A-Za-z0-9\-._~!$&'()*+,;=:@/?%[\]{}|^`"<>]*$/

/** `raw` is what stands behind the `?`. */
export function readQuery(raw: string): Query {
  if (raw.length > longest) return { unreadable: `a query of more than ${longest} characters` }
  if (!allowed.test(raw)) return { unreadable: 'a query with a character that must be percent-encoded' }
  if (raw === '') return { names: [] }
  const names: string[] = []
  for (const part of raw.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = decodeName(equals < 0 ? part : part.slice(0, equals))
    if (name === undefined) return { unreadable: 'a query parameter whose name cannot be read' }
    if (decodeName(part) === undefined) return { unreadable: 'a query parameter that cannot be decoded' }
    // `a=1;b=2` is one parameter to most servers and two to some: then b was never judged.
    if (part.includes(';')) return { unreadable: 'a query with a raw ; (percent-encode it)' }
    names.push(name)
    if (names.length > most) return { unreadable: `more than ${most} query parameters` }
  }
  return { names }
}

function decodeName(text: string): string | undefined {
  if (!text.includes('%') && !text.includes('+')) return text
  try {
    const decoded = decodeURIComponent(text.replaceAll('+', ' '))
    // A NUL ends a name for servers written in C.
    return decoded.includes('\0') ? undefined : decoded
  } catch {
    return undefined
  }
}
