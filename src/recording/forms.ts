/** The forms in which a secret is likely to be written: as it is, line by line, in JSON, HTML, base64 and percent-encoded. Pure. */

/** Shorter ones would put marks all over the text and tell the secret by where they stand. */
const shortest = 4
/** Encoded ones are looked for from here on. */
const encoded = 8

export function formsOf(secret: string): Set<string> {
  const forms = new Set<string>()
  const whole = secret.replace(/\r?\n$/, '')
  const lines = whole.split(/\r?\n/)
  // A key file is shown with other line ends than it has: its lines are hidden one by one, its BEGIN and END are not.
  const pieces =
    lines.length === 1 ? [] : lines.filter(line => line.length >= 16 && !line.startsWith('-----'))
  for (const value of [whole, ...pieces]) {
    if (value.length < shortest) continue
    for (const form of [value, ...inJson(value)]) forms.add(form)
    if (value.length < encoded) continue
    const bytes = Buffer.from(value, 'utf8')
    forms.add(bytes.toString('base64').replace(/=+$/, ''))
    forms.add(bytes.toString('base64url'))
    for (const form of [...inHtml(value), ...(value.isWellFormed() ? inUrl(value) : [])]) forms.add(form)
  }
  return forms
}

const hex = (character: string) => character.charCodeAt(0).toString(16).padStart(4, '0')

/** As JavaScript, PHP (`\/`), Go (`\u0026`) and Python (nothing but ASCII) write it. */
function inJson(value: string): readonly string[] {
  const plain = JSON.stringify(value).slice(1, -1)
  const safe = plain.replace(/[&<>]/g, one => `\\u${hex(one)}`)
  return [plain, safe].flatMap(text => {
    const ascii = text.replace(/[^\x00-\x7f]/g, one => `\\u${hex(one)}`)
    return [text, ascii].flatMap(one => [one, one.replaceAll('/', '\\/')])
  })
}

/** Quotes are escaped in several ways, or not at all; some templates escape `/`, `=` and backquotes. */
const html: readonly Readonly<Record<string, string>>[] = [
  {},
  { '"': '&quot;' },
  { '"': '&quot;', "'": '&#39;' },
  { '"': '&quot;', "'": '&#039;' },
  { '"': '&quot;', "'": '&#x27;' },
  { '"': '&#34;', "'": '&#39;' },
  { '"': '&#34;', "'": '&#39;', '+': '&#43;' },
  { '"': '&quot;', "'": '&#39;', '/': '&#x2F;', '=': '&#x3D;', '`': '&#x60;' },
]

function inHtml(value: string): readonly string[] {
  const always: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }
  return html.map(more => value.replace(/[&<>"'/=+`]/g, one => always[one] ?? more[one] ?? one))
}

/** With what JavaScript leaves as it is and without; `/` kept or not, hexadecimal digits of either case, a form's `+`. */
function inUrl(value: string): readonly string[] {
  const loose = encodeURIComponent(value)
  const strict = loose.replace(/[!'()*]/g, one => `%${hex(one).slice(2).toUpperCase()}`)
  const kept = [loose, strict].flatMap(text => [text, text.replaceAll('%2F', '/')])
  const all = kept.flatMap(text => [text, text.replaceAll('%20', '+')])
  return all.flatMap(text => [text, text.replace(/%../g, one => one.toLowerCase())])
}
