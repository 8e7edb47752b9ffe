import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeStage } from './stage.ts'

function told(isTTY: boolean): { out: NodeJS.WriteStream; lines: string[] } {
  const lines: string[] = []
  return {
    out: { isTTY, write: (text: string) => lines.push(text) > 0 } as unknown as NodeJS.WriteStream,
    lines,
  }
}

test('a promise that is not kept is printed with what came instead, and not counted as kept', async () => {
  const { out, lines } = told(false)
  const stage = makeStage(out)
  await stage.step('one', async () => ({ said: 'YES', kept: true }))
  await stage.step('two', async () => ({ said: 'NO', kept: false, instead: 'it ran' }))
  assert.deepEqual([stage.steps, stage.kept], [2, 1])
  assert.match(lines[0] ?? '', /^ 1 one +YES +[\d.]+ ms\n$/)
  assert.match(lines.at(-1) ?? '', /NOT AS PROMISED: it ran/)
})

test('a step that throws is a promise not kept, and the story goes on', async () => {
  const { out, lines } = told(false)
  const stage = makeStage(out)
  await stage.step('one', () => Promise.reject(new Error('no such program')))
  assert.deepEqual([stage.steps, stage.kept], [1, 0])
  assert.match(lines.join(''), /NOT AS PROMISED: no such program/)
})

test('there is no colour where there is no terminal, and what others say cannot colour anything', async () => {
  const { out, lines } = told(false)
  await makeStage(out).step('one', async () => ({ said: '\u001b[31mred\u001b[0m', kept: true }))
  assert.equal(lines.join('').includes('\u001b'), false)
})
