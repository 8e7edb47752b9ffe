/**
 * scp's legacy mode as a client asks for it: `scp [-v] [-r] [-p] [-d] -t path` to send files, `-f path ...` to get them.
 * Pure. The line is read like any command's; nothing that a shell would expand is taken (attack 120).
 */
import { isMark, readLine, wordText } from './line.ts'

export interface ScpCommand {
  readonly way: 'to_host' | 'from_host'
  readonly recursive: boolean
  readonly times: boolean
  /** `-d`: the target must be a directory. */
  readonly directory: boolean
  readonly paths: readonly string[]
}

/** Nothing where the line is no such command. */
export function readScp(line: string): ScpCommand | { readonly problem: string } | undefined {
  if (!/^scp[ \t]/.test(line)) return undefined
  const read = readLine(line)
  if (!('words' in read)) return { problem: read.why }
  if (read.words.some(word => word.some(isMark))) return { problem: 'something that a shell would expand' }
  const words = read.words.slice(1).map(wordText)
  const end = words.findIndex(word => !word.startsWith('-') || word === '--' || word === '-')
  const options = words.slice(0, end < 0 ? words.length : end)
  const flags = new Set(options.flatMap(word => [...word.slice(1)]))
  if (!flags.has('t') && !flags.has('f')) return undefined
  const unknown = [...flags].find(flag => !'tfrpdvq'.includes(flag))
  if (unknown !== undefined || (flags.has('t') && flags.has('f')))
    return { problem: `the options ${options.join(' ')}` }
  const paths = words.slice(end < 0 ? words.length : words[end] === '--' ? end + 1 : end)
  if (paths.length === 0 || paths.includes('') || (flags.has('t') && paths.length > 1))
    return { problem: 'no path, or too many' }
  return {
    way: flags.has('t') ? 'to_host' : 'from_host',
    recursive: flags.has('r'),
    times: flags.has('p'),
    directory: flags.has('d'),
    paths,
  }
}

/** Whether a line that is no such command nevertheless is likely to run one: refused whatever the patterns say. */
export function looksLikeScp(line: string): boolean {
  // In two steps, for in one expression a line of nothing but `scp` would be looked through once for each of them.
  for (const one of line.split('\n')) {
    const named = /(?:^|[\s/;|&(`"'])scp["']?(?=\s)/.exec(one)
    if (named !== null && /\s["']?-[a-zA-Z]*[tf]/.test(one.slice(named.index + named[0].length))) return true
  }
  const read = readLine(line)
  if (!('words' in read)) return false
  const words = read.words.map(wordText)
  const at = words.findIndex(word => word.split('/').at(-1) === 'scp')
  return at >= 0 && words.slice(at + 1).some(word => /^-[a-zA-Z]*[tf]/.test(word))
}

export type ScpLine =
  | { readonly is: 'file' | 'folder'; readonly mode: number; readonly size: number; readonly name: string }
  | { readonly is: 'times'; readonly modified: number; readonly accessed: number }
  | { readonly is: 'up' }

/** One line that a sender of files writes, without its newline. A name is one plain name, never a way elsewhere. */
export function readScpLine(line: string): ScpLine | { readonly problem: string } {
  if (line === 'E') return { is: 'up' }
  const [, modified, accessed] = /^T(\d{1,10}) \d{1,6} (\d{1,10}) \d{1,6}$/.exec(line) ?? []
  if (modified !== undefined && accessed !== undefined)
    return { is: 'times', modified: Number(modified) >>> 0, accessed: Number(accessed) >>> 0 }
  const [, kind, mode = '', size = '', name = ''] = /^([CD])([0-7]{4}) (\d{1,15}) (.*)$/s.exec(line) ?? []
  if (kind === undefined) return { problem: 'a line that is none of scp' }
  if (!isPlainName(name)) return { problem: 'a file name that is not one plain name' }
  // No setuid, setgid or sticky bit comes with a copy.
  return {
    is: kind === 'C' ? 'file' : 'folder',
    mode: Number.parseInt(mode, 8) & 0o777,
    size: Number(size),
    name,
  }
}

/** Fit to be one component of a path and one word of a line (attack 120, CVE-2019-6111). */
export function isPlainName(name: string): boolean {
  return (
    name !== '' &&
    name !== '.' &&
    name !== '..' &&
    name.length <= 255 &&
    !/[/\p{Cc}\u2028\u2029\ufffd]/u.test(name)
  )
}
