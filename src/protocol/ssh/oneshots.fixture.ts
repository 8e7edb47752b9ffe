/** A session as the pipeline opens one for one-shots: dialled, and no client at its other end. */
import assert from 'node:assert/strict'
import { Refused } from '../../denial.ts'
import type { Grant, Narrowed } from '../../words.ts'
import { ssh } from './index.ts'
import { MemoryRecorder } from './recorder.fixture.ts'
import type { SshScope } from './scope.ts'
import type { SshUpstream } from './upstream.ts'
import { TestSession, type World } from './world.fixture.ts'

export async function oneShots(w: World, scope: unknown): Promise<TestSession> {
  const granted = w.grant(scope)
  const up = await ssh.dial({
    ...{ target: w.target, lease: w.lease as never, scope: granted.scope as Narrowed<SshScope> },
    ...{ session: 's_1', signal: new AbortController().signal },
    grant: { id: granted.id, expiresAt: Date.now() + 600_000 } as Grant,
  })
  assert.ok(!(up instanceof Refused))
  const made = new TestSession(granted, up as SshUpstream, new MemoryRecorder(), () => Promise.resolve())
  w.sessions.push(made)
  return made
}
