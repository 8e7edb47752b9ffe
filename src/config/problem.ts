/** What is wrong with postern.yaml: every problem at once, each with its place, none with a value (attack 204). */

export interface Place {
  readonly line: number
  readonly column: number
}

export interface Problem extends Place {
  /** `rules[0].connection`; empty for the file as a whole. */
  readonly key: string
  readonly message: string
}

/** The file is not valid as a whole, so nothing of it is taken. */
export class ConfigError extends Error {
  readonly file: string
  readonly problems: readonly Problem[]
  constructor(file: string, problems: readonly Problem[], options?: ErrorOptions) {
    super(problems.map(one => renderProblem(file, one)).join('\n'), options)
    this.name = 'ConfigError'
    this.file = file
    this.problems = problems
  }
}

/** `postern.yaml:12:7: rules[0].conection: unknown key; did you mean "connection"?` */
export function renderProblem(file: string, { line, column, key, message }: Problem): string {
  return `${file}:${line}:${column}: ${key === '' ? '' : `${key}: `}${message}`
}

export function keyOf(path: readonly PropertyKey[]): string {
  let key = ''
  for (const part of path)
    key += typeof part === 'number' ? `[${part}]` : key === '' ? printable(part) : `.${printable(part)}`
  return key
}

/** A key as the file spells it, unless it would spoil a terminal or a log line (attack 218). */
export function printable(text: PropertyKey): string {
  const word = String(text)
  return word.length <= 80 && /^[\w.:/@-]+$/.test(word) ? word : JSON.stringify(word.slice(0, 80))
}
