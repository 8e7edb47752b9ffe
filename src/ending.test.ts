import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endings, recordingLost, refusedBy } from './ending.ts'

test('a session that is over is told by its own sentence, whoever asks', () => {
  const { denial } = refusedBy(endings.shuttingDown)
  assert.deepEqual([denial.code, denial.say], ['shutting_down', endings.shuttingDown.text])
  for (const [why, code] of [
    ['limit_exceeded', 'limit_exceeded'],
    ['recording_unavailable', 'recording_unavailable'],
  ] as const)
    assert.equal(refusedBy(recordingLost({ why })).denial.code, code)
})

test('a fault of ours is told as ours, and an end that nobody here is to blame for as the end of the grant', () => {
  assert.equal(refusedBy(endings.failed).denial.code, 'internal_error')
  assert.equal(refusedBy(endings.operator).denial.code, 'grant_revoked')
})
