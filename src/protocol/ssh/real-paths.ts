/**
 * What the paths of an sftp request really are, by the host's own answer to REALPATH: no `.`, `..` or link is left in
 * them. Where a link itself is meant (remove, rename, lstat), the folder that it is in is resolved and its name kept.
 */
import { message } from '../../statement/sftp/fields.ts'
import { followsLinks, type Operation } from '../../statement/sftp/operation.ts'
import { framed, fxp } from '../../statement/sftp/packet.ts'
import { nameIn, parentOf } from './sftp-answers.ts'

/** Calls `then` with all of them and the last answer; with no paths where the host found one of them not to be. */
export function realPaths(
  operation: Operation,
  start: string,
  ask: (packet: Buffer, then: (answer: Buffer) => void) => void,
  then: (paths: readonly string[] | undefined, answer: Buffer) => void,
  found: readonly string[] = [],
): void {
  const path = operation.paths[found.length] ?? '.'
  const whole = path.startsWith('/') ? path : `${start}/${path}`
  const { folder, name } = followsLinks(operation) ? { folder: whole, name: undefined } : parentOf(whole)
  ask(framed(message(fxp.realpath, 0, folder)), answer => {
    const real = nameIn(answer)
    if (real === undefined) {
      then(undefined, answer)
      return
    }
    const all = [...found, name === undefined ? real : `${real === '/' ? '' : real}/${name}`]
    if (all.length < operation.paths.length) realPaths(operation, start, ask, then, all)
    else then(all, answer)
  })
}
