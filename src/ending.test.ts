import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endedIdle, endingOf, endings, recordingLost, refusedBy } from './ending.ts'

test('a session that is over is told by its own sentence, whoever asks', () => {
  const { denial } = refusedBy(endings.shuttingDown)
  assert.deepEqual([denial.code, denial.say], ['shutting_down', endings.shuttingDown.text])
  for (const [why, code] of [
    ['limit_exceeded', 'limit_exceeded'],
    ['recording_unavailable', 'recording_unavailable'],
  ] as const)
    assert.equal(refusedBy(recordingLost({ why })).denial.code, code)
})

test("a grant's expiry is told in the promised words, with when and by which limit behind them", () => {
  const ending = "it expired at 2026-03-01T12:00:05Z (the rule's 10m)"
  assert.deepEqual(endingOf({ id: 'g_1', state: 'expired', ending }), {
    how: 'cut',
    why: 'grant_expired',
    text: `grant g_1 expired; session ended: ${ending}`,
  })
  const back = endingOf({ id: 'g_1', state: 'ended', ending: 'it was given back at x' })
  assert.equal(back.text, 'grant g_1 is over: it was given back at x; session ended')
})

test('a fault of ours is told as ours, and an end that nobody here is to blame for as the end of the grant', () => {
  assert.equal(refusedBy(endings.failed).denial.code, 'internal_error')
  assert.equal(refusedBy(endedIdle(400)).denial.code, 'limit_exceeded', 'the grant lives on')
  assert.equal(refusedBy(endings.operator).denial.code, 'grant_revoked')
})
