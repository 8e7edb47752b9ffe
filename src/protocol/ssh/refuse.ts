/** A denial in SSH's own words: a line on the channel's stderr, an exit status, a description of at most one line. */
import { type Denial, sayOf } from '../../denial.ts'
import type { Ending } from '../../words.ts'

/** "Command found, but not executable": what a shell says of something it may not run. */
export const refusedStatus = 126

/** For a channel's stderr. */
export function refusalLine(denial: Denial): string {
  return `postern: ${denial.code}: ${oneLine(sayOf(denial))}\n`
}

/** For every open terminal or stderr, at the end of a session that was not the client's own wish. */
export function endingLine(ending: Ending): string {
  return `\r\npostern: ${oneLine(ending.text)}\r\n`
}

/** Text from elsewhere (a host's, a denial's) without what a terminal would obey (attack 131's kin). */
export function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').slice(0, 500)
}
