/**
 * A lease that is made for one session: a new key, and a certificate for it by an authority that the host trusts
 * (`TrustedUserCAKeys`). Valid for the account alone, until the grant ends; nothing that the scope does not allow is in it.
 */
import { randomBytes } from 'node:crypto'
import type { Grant } from '../../words.ts'
import { issue } from './certificate.ts'
import { forcing } from './guardian-text.ts'
import { newKey } from './hostkey.ts'
import type { SshScope } from './scope.ts'
import { type Signer, signerOf } from './signature.ts'

/** The host's clock may be behind ours. */
const slackSeconds = 300

export interface Minted {
  readonly key: Signer
  readonly certificate: Buffer
}

export function mint(at: {
  readonly authority: Signer
  readonly user: string
  readonly grant: Grant
  readonly session: string
  readonly scope: SshScope
  /** Whether a guardian may run on the host. */
  readonly guardian: boolean
  readonly now: number
}): Minted {
  const key = signerOf(newKey())
  if (key === undefined) throw new TypeError('a new key cannot be read')
  // sshd takes no signals for what is forced: without a guardian a cut would end nothing there.
  const forced = at.guardian ? exactCommand(at.scope) : undefined
  const certificate = issue(
    {
      kind: 'user',
      keyBlob: key.blob,
      // The host's own log then says whose session it was.
      keyId: `postern ${at.grant.id} ${at.session}`,
      serial: randomBytes(8).readBigUInt64BE(),
      principals: [at.user],
      after: Math.floor(at.now / 1000) - slackSeconds,
      before: Math.ceil(at.grant.expiresAt / 1000),
      ...(forced === undefined ? {} : { critical: { 'force-command': forcing(forced) } }),
      extensions: [
        ...(at.scope.pty ? ['permit-pty'] : []),
        ...(at.scope.forward.length > 0 ? ['permit-port-forwarding'] : []),
      ],
    },
    at.authority,
    randomBytes(32),
  )
  return { key, certificate }
}

/** Words that mean the same to every shell. */
const plainWord = /^[\w.,:=@%+/-]+$/
/** With what is around it in {@link forcing}, less than csh's longest word. */
const maxForced = 512

/** The one command line that the scope allows, where it allows exactly one and nothing else. */
export function exactCommand({ shell, exec, sftp, forward }: SshScope): string | undefined {
  if (shell || sftp !== 'none' || forward.length > 0 || 'all_of' in exec) return undefined
  const [pattern, ...more] = exec
  if (pattern === undefined || more.length > 0) return undefined
  const words: readonly string[] = typeof pattern === 'string' ? pattern.split(' ') : pattern
  const line = words.join(' ')
  return words.every(word => plainWord.test(word)) && line.length <= maxForced ? line : undefined
}
