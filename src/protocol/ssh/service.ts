/** What takes a channel's bytes to itself instead of a program: sftp's packets, or scp's lines. */
import type { Seq } from '../../recording/record.ts'
import { readScp } from '../../statement/shell/scp.ts'
import type { Ends } from './ends.ts'
import { Scp } from './scp.ts'
import { SftpRelay } from './sftp.ts'
import type { SftpClient } from './sftp-sides.ts'
import type { RelaySide } from './sides.ts'

export interface Service {
  /** The host has agreed to what was asked of it. */
  begin?(): void
  fromNear(data: Buffer): void
  nearEof?(): void
  fromFar(data: Buffer): void
  /** The client takes more. */
  moved?(): void
  end(): void
}

export function sftpService(relay: RelaySide, ends: Ends): Service {
  const { down } = ends
  return between(relay, ends, {
    push: packet => down.push(packet, false),
    settle: () => down.settle(),
    get waiting() {
      return down.waiting
    },
  })
}

/** `of` is the record of the command. */
export function scpService(relay: RelaySide, ends: Ends, of: Seq, line: string): Service {
  const command = readScp(line)
  if (command === undefined || 'problem' in command) throw new TypeError('scp that was not judged')
  const { recorder } = relay
  return new Scp(command, ends, { recorder, of }, client => between(relay, ends, client))
}

function between(relay: RelaySide, ends: Ends, client: SftpClient): SftpRelay {
  const { scope, recorder, turnstile } = relay
  return new SftpRelay({
    ...{ scope, recorder, turnstile, client, ends },
    refused: verdict => relay.refused(verdict),
  })
}
