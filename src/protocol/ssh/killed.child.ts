/** A gateway of its own, so that it can be killed: it dials as it is told, and runs one command. */
import { SecretRef } from '../../config/secret.ts'
import { Refused } from '../../denial.ts'
import type { Grant, Narrowed } from '../../words.ts'
import { exec } from './calls.ts'
import { ssh } from './index.ts'
import { MemoryRecorder } from './recorder.fixture.ts'
import type { SshScope } from './scope.ts'
import type { SshUpstream } from './upstream.ts'
import { TestSession } from './world.fixture.ts'

const { target, user, caKey, command } = JSON.parse(process.argv[2] ?? '')
const granted = { id: 'g_1', password: '', scope: ssh.scope.schema.parse({ exec: [command] }) }
const up = await ssh.dial({
  ...{ target, lease: { user, ca_key: await new SecretRef(`file:${caKey}`).resolve() } as never },
  ...{ scope: granted.scope as Narrowed<SshScope>, session: 's_1', signal: new AbortController().signal },
  grant: { id: 'g_1', expiresAt: Date.now() + 600_000 } as Grant,
})
if (up instanceof Refused) throw new Error(up.denial.detail)
const session = new TestSession(granted, up as SshUpstream, new MemoryRecorder(), () => Promise.resolve())
await exec.run({ command }, session)
