/** OpenSSH's clients: the system's, and version 10 where `make setup` has put it. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'

export const openssh10 = resolve(import.meta.dirname, '../../../node_modules/.cache/postern/openssh-10/bin')
export const noOpenssh10 = existsSync(join(openssh10, 'sshd'))
  ? false
  : 'OpenSSH 10 is not installed: make setup'

/** For what must work alike with both. */
export const sshClients = [
  { of: 'the system', ssh: 'ssh', skip: false },
  { of: 'OpenSSH 10', ssh: join(openssh10, 'ssh'), skip: noOpenssh10 },
] as const
