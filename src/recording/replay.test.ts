import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { replaySafe, replayStart } from './replay.ts'

const play = (...pieces: string[]) => {
  let state = replayStart
  return pieces
    .map(piece => {
      const safe = replaySafe(state, piece)
      state = safe.state
      return safe.text
    })
    .join('')
}

test('what draws is shown as it was', () => {
  const drawing =
    '\u001b[2J\u001b[1;1H\u001b[38;5;12mblue\u001b[0m\r\n\tü 漢 🙂\u001b[?25l\u001b[?1049h\u001b(0qqq\u001b(B\u001b7\u001b8\u001b[K'
  assert.equal(play(drawing), drawing)
})

test('what acts on the reader or asks the terminal is not', () => {
  const acts = [
    '\u001b]52;c;ZXZpbA==\u0007',
    '\u001b]0;title\u001b\\',
    '\u001b]8;;http://evil\u001b\\',
    '\u001bP$q"p\u001b\\',
    '\u001b_x\u001b\\',
    '\u001b^x\u001b\\',
    '\u001bXx\u001b\\',
    '\u001b[6n',
    '\u001b[c',
    '\u001b[>c',
    '\u001b[?1000h',
    '\u001b[?2004h',
    '\u001b[21t',
    '\u001b[?1h',
    '\u001b[5i',
    '\u001bc',
    '\u001b=',
    '\u001b#8',
    '\u001b[!p',
    '\u0007',
    '\u202e',
    '\u0005',
  ]
  for (const act of acts) {
    assert.equal(play(`a${act}b`), 'ab', JSON.stringify(act))
    assert.equal(play('a', ...act, 'b'), 'ab', JSON.stringify(act))
  }
  assert.equal(play('\u009b6n\u009d52;c;x\u009c'), '6n52;c;x')
})

test('a sequence that never ends does not hide what follows', () => {
  assert.match(play(`\u001b]0;${'x'.repeat(5000)}rm -rf /`), /rm -rf \/$/)
  assert.equal(play('\u001b]0;never closed\nrm -rf /'), 'rm -rf /')
  assert.match(play(`\u001b[${'1;'.repeat(100)}rm -rf /`), /rm -rf \/$/)
})

test('whatever comes, only what draws goes out, and the same however it is split', () => {
  const enemy = fc.constantFrom(
    '\u001b',
    '[',
    ']',
    'P',
    '52;c;',
    '\u0007',
    '\\',
    '?25',
    'h',
    'n',
    '\u009b',
    '6',
    'm',
    '(',
    '0',
    '\u0018',
  )
  const text = fc.array(fc.oneof(enemy, fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 30 })
  const allowed =
    /^(?:[^\u0000-\u0007\u000b\u000c\u000e-\u001f\u007f-\u009f]|\u001b(?:[78DEM]|\([0B]|\[[0-9;:]*[ABCDEFGHJKLMPSTX@`adefmr]|\[(?:\?[0-9;]+|4)[hl]))*$/
  fc.assert(
    fc.property(text, pieces => {
      const out = play(pieces.join(''))
      assert.match(out, allowed)
      assert.equal(play(...pieces.flatMap(piece => [...piece])), out)
    }),
    { numRuns: 200 },
  )
})
