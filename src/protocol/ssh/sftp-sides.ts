/** What an sftp relay stands between, and what it may do to the session that it is in. */
import type { Recorder, Verdict } from '../../recording/record.ts'
import type { Ends } from './ends.ts'
import type { SshScope } from './scope.ts'
import type { Turnstile } from './turnstile.ts'

/** Who speaks sftp to us: a client's channel, or scp's legacy mode as `scp.ts` understands it. */
export interface SftpClient {
  push(packet: Buffer): void
  settle(): void
  readonly waiting: number
}

export interface SftpRelayOptions {
  readonly scope: SshScope
  readonly recorder: Recorder
  readonly turnstile: Turnstile
  readonly ends: Ends
  readonly client: SftpClient
  refused(verdict: Verdict): void
}
