/**
 * Reads a command line as a POSIX shell would, up to the point where it is still ONE simple command. Pure.
 *
 * A word is a list of symbols. A symbol is one literal character, or a {@link mark}: something that the shell would
 * expand or treat specially (`$HOME`, `~`, an unquoted `?`, the `=` of a leading assignment). A wildcard never matches
 * a mark; only a pattern that spells the same one does. What could be more than one simple command, or what shells
 * disagree about, is refused (attack 113).
 */

export type Symbols = readonly string[]

export interface SimpleCommand {
  readonly words: readonly Symbols[]
}

/** Why a line is not read. `kind` tells what cannot be read at all from what is not one plain command. */
export interface Unreadable {
  readonly kind: 'unparsable' | 'not_simple'
  readonly why: string
}

/** Longer lines are not commands; the transport allows some 32 KiB. */
const maxChars = 32_768
const maxWords = 4096

/** Marks begin with NUL, which no line may hold. */
export function mark(text: string): string {
  return `\0${text}`
}

export function isMark(symbol: string | undefined): boolean {
  return symbol?.startsWith('\0') === true
}

/** Words that begin a compound command or change what follows; as a command's name they are not one. */
const reserved = new Set(
  '! { } [[ ]] case coproc do done elif else esac fi for foreach function if in select then time until while end repeat switch'.split(
    ' ',
  ),
)
const operators = new Set([';', '|', '&', '<', '>', '(', ')'])
/** Expanded by the shell to other text: globs and braces. */
const globs = new Set(['*', '?', '[', ']', '{', '}'])
/** Blank or invisible to a person, of another meaning to a shell in some locale; and control characters. */
const strange = /[\p{C}\p{Z}]/u

class Stop {
  readonly reason: Unreadable
  constructor(kind: Unreadable['kind'], why: string) {
    this.reason = { kind, why }
  }
}

export function readLine(line: string): SimpleCommand | Unreadable {
  const problem = characterProblem(line)
  if (problem !== undefined) return problem
  try {
    return { words: new Lexer([...line]).words() }
  } catch (stop) {
    if (stop instanceof Stop) return stop.reason
    throw stop
  }
}

function characterProblem(line: string): Unreadable | undefined {
  if (line.length > maxChars)
    return { kind: 'unparsable', why: `a command line of over ${maxChars} characters` }
  if (line.includes('\n')) return { kind: 'not_simple', why: 'a newline' }
  for (const char of line) {
    if (char !== ' ' && char !== '\t' && strange.test(char))
      return {
        kind: 'unparsable',
        why: `the character U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`,
      }
  }
  // GBK, Big5 and Shift-JIS take a backslash for the second half of what is the end of a character here, and so does a
  // shell on a host whose locale is one of them: what is quoted here would be code there.
  if (/[^\0-\x7f]\\/.test(line))
    return { kind: 'unparsable', why: 'a backslash behind a character beyond ASCII' }
  if (line.trim() === '') return { kind: 'unparsable', why: 'an empty command line' }
  // A shell would skip it; nothing but a probe begins with it.
  if (line.startsWith(' ') || line.startsWith('\t')) return { kind: 'not_simple', why: 'a leading blank' }
  return undefined
}

class Lexer {
  readonly #chars: readonly string[]
  #at = 0
  #word: string[] | undefined
  #quoted = false
  /** The word that is being read has an `=` already: what stands before another one is no name. */
  #equals = false
  /** The word that is being read is an assignment: its name and `=` have been read. */
  #assignment = false
  /** Nothing but variables, which may be empty, since the place where a `~` or zsh's `=command` would be expanded. */
  #tildeLeads = true
  #equalsLeads = true
  /** All words so far are assignments, so a command's name is still to come. */
  #assigning = true
  readonly #words: Symbols[] = []

  constructor(chars: readonly string[]) {
    this.#chars = chars
  }

  words(): readonly Symbols[] {
    for (let char = this.#chars[this.#at]; char !== undefined; char = this.#chars[this.#at]) {
      if (char === ' ' || char === '\t') {
        this.#finish()
        this.#at++
      } else {
        this.#plain(char)
      }
    }
    this.#finish()
    return this.#words
  }

  #push(...symbols: readonly string[]): void {
    this.#word ??= []
    this.#word.push(...symbols)
    for (const symbol of symbols) {
      if (symbol.startsWith(mark('$'))) continue
      this.#tildeLeads = symbol === '=' || symbol === ':' || symbol === mark('=')
      this.#equalsLeads = this.#tildeLeads && this.#assignment
    }
  }

  #plain(char: string): void {
    if (operators.has(char)) throw new Stop('not_simple', `the operator ${char}`)
    if (char === '`') throw new Stop('not_simple', 'a command substitution')
    this.#at++
    if (char === '#' && this.#word === undefined) throw new Stop('not_simple', 'a comment')
    if (char === "'") this.#single()
    else if (char === '"') this.#double()
    else if (char === '\\') this.#escaped()
    else if (char === '$') this.#dollar()
    else if (char === '~' && this.#tildeLeads) this.#push(this.#tilde())
    else if (globs.has(char) || (char === '=' && this.#markedEquals())) this.#push(mark(char))
    else this.#push(char)
  }

  /**
   * `=` that ends a leading assignment's name (`LD_PRELOAD=x ls`), or that zsh expands: at a word's beginning, also behind
   * empty quotes or a variable, and at those of an assigned value (`X==ls`).
   */
  #markedEquals(): boolean {
    if (this.#equalsLeads) return true
    if (this.#equals || this.#quoted || !this.#assigning) return false
    this.#equals = true
    this.#assignment = /^[A-Za-z_][A-Za-z0-9_]*\+?$/.test(this.#word?.join('') ?? '')
    return this.#assignment
  }

  #tilde(): string {
    let text = '~'
    for (
      let char = this.#chars[this.#at];
      char !== undefined && /[A-Za-z0-9_.+-]/.test(char);
      char = this.#chars[++this.#at]
    )
      text += char
    // Shells disagree about `~"root"`, and any other character may be of a user's name.
    const next = this.#chars[this.#at]
    if (next !== undefined && !/[ \t/:$*?[\]{}]/.test(next))
      throw new Stop('not_simple', `a ~ before ${next}`)
    return mark(text)
  }

  #single(): void {
    const end = this.#chars.indexOf("'", this.#at)
    if (end < 0) throw new Stop('unparsable', 'a quote that is not closed')
    this.#quoting()
    this.#push(...this.#chars.slice(this.#at, end))
    this.#at = end + 1
  }

  #double(): void {
    this.#quoting()
    for (let char = this.#chars[this.#at]; char !== '"'; char = this.#chars[this.#at]) {
      if (char === undefined) throw new Stop('unparsable', 'a quote that is not closed')
      if (char === '`') throw new Stop('not_simple', 'a command substitution')
      this.#at++
      if (char === '$') this.#dollar()
      else if (char === '\\') this.#escapedInDouble()
      else this.#push(char)
    }
    this.#at++
  }

  #escapedInDouble(): void {
    const next = this.#chars[this.#at]
    if (next !== undefined && '$`"\\'.includes(next)) {
      this.#push(next)
      this.#at++
    } else {
      this.#push('\\')
    }
  }

  #escaped(): void {
    const next = this.#chars[this.#at]
    if (next === undefined) throw new Stop('unparsable', 'a backslash at the end')
    this.#quoting()
    this.#push(next)
    this.#at++
  }

  /** Only `$NAME` and `${NAME}` can be spelled; all else behind a dollar is code, or shells disagree about it. */
  #dollar(): void {
    const rest = this.#chars.slice(this.#at, this.#at + 130).join('')
    const name = /^(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})/.exec(rest)
    if (name === null) throw new Stop('not_simple', 'a $ that is not a plain variable')
    this.#at += name[0].length
    // zsh reads on into modifiers and subscripts, in quotes too; zsh and ksh93 into letters beyond ASCII.
    const next = this.#chars[this.#at]
    if (name[1] !== undefined && next !== undefined && /[\w:[]|[^\0-\x7f]/.test(next))
      throw new Stop('not_simple', `a variable without braces before ${next}`)
    this.#push(mark(`$${name[1] ?? name[2]}`))
  }

  #quoting(): void {
    this.#quoted = true
    this.#word ??= []
  }

  #finish(): void {
    const word = this.#word
    const quoted = this.#quoted
    const assignment = this.#assignment
    this.#word = undefined
    this.#quoted = false
    this.#equals = false
    this.#assignment = false
    this.#tildeLeads = true
    this.#equalsLeads = true
    if (word === undefined) return
    if (this.#words.length >= maxWords) throw new Stop('unparsable', 'too many words')
    if (this.#assigning && !assignment) {
      this.#assigning = false
      if (reserved.has(word.join('').replaceAll('\0', ''))) throw new Stop('not_simple', 'a reserved word')
      if (quoted) throw new Stop('not_simple', 'a quoted command name')
    }
    this.#words.push(word)
  }
}

/** A word as text, marks spelled out: for messages and records. */
export function wordText(word: Symbols): string {
  return word.map(symbol => (isMark(symbol) ? symbol.slice(1) : symbol)).join('')
}
