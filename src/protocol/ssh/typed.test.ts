import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { commandIn, Typed } from './typed.ts'

/** `>` is what is typed, `<` what the terminal shows. */
function typing(...events: readonly string[]): string[] {
  const lines: string[] = []
  const typed = new Typed(line => lines.push(line.toString()))
  for (const event of events) {
    if (event.startsWith('>')) typed.input(Buffer.from(event.slice(1)))
    else typed.output(Buffer.from(event.slice(1)))
  }
  return lines
}
const keys = (text: string) => [...text].flatMap(key => [`>${key}`, `<${key}`])

test('a line that the terminal shows is recorded as it was typed, key by key or pasted', () => {
  assert.deepEqual(typing(...keys('ls -l'), '>\r', '<\r\ntotal 0\r\n$ '), ['ls -l\r'])
  assert.deepEqual(typing('>ls\r', '<ls\r\n'), ['ls\r'])
  assert.deepEqual(typing('>ls\rpwd\r', '<ls\r\npwd\r\n'), ['ls\r', 'pwd\r'])
  assert.deepEqual(typing('>é\r', '<\u001b[1mé\u001b[0m\r\n'), ['é\r'])
  assert.deepEqual(typing(...keys('l'), '>\u001b[A', '<\u001b[K', '>\t', ...keys('s'), '>\r', '<\r\n'), [
    'l\u001b[A\ts\r',
  ])
})

test('a password at a prompt that does not echo is not recorded, and the next line is', () => {
  const sudo = [...keys('sudo id'), '>\r', '<\r\nPassword: ', '>hun', '>ter2', '>\r', '<\r\n']
  assert.deepEqual(typing(...sudo, '<uid=0(root)\r\n$ ', ...keys('id'), '>\r', '<\r\n'), [
    'sudo id\r',
    'id\r',
  ])
  assert.deepEqual(typing('<Password: ', '>one\r', '>two\r', '<Sorry\r\n', ...keys('x'), '>\r', '<\r\n'), [
    'x\r',
  ])
})

test('stars for a password, half an echo, an echo of something else: not recorded', () => {
  assert.deepEqual(typing('>a', '<*', '>b', '<*', '>\r', '<\r\n'), [])
  assert.deepEqual(typing('>hunter2', '<hun', '>\r', '<\r\nhello'), [])
  assert.deepEqual(typing('>hunter2\r', '<hunter3\r\n'), [])
  assert.deepEqual(typing('>h', '<job done', '>i\r', '<hi\r\n'), [], 'until the line is over')
  assert.deepEqual(
    typing('>h', '<h', '<job done', '>i\r', '<i\r\n'),
    [],
    'nor where all of it was shown before',
  )
})

test('given up with ^C: recorded where it was shown', () => {
  assert.deepEqual(typing(...keys('slee'), '>\u0003', '<^C\r\n'), ['slee\u0003'])
  assert.deepEqual(typing('>hunt', '>\u0003', '<^C\r\n'), [])
})

test('likely a command is what was shown of a line that Enter has ended, without the keys that drew nothing', () => {
  const command = (line: string) => commandIn(Buffer.from(line))?.toString()
  assert.equal(command('ls -l\r'), 'ls -l')
  assert.equal(command('l\u001b[A\ts\n'), 'ls')
  for (const none of ['\r', '  \r', '\u001b[A\r', 'slee\u0003', 'x\u0004', 'ls\u001a'])
    assert.equal(command(none), undefined)
})

test('a line without an end is not kept, nor is what follows it until the next line', () => {
  const long = 'x'.repeat(5000)
  assert.deepEqual(typing(`>${long}`, `<${long}`, '>\r', '<\r\n', ...keys('ls'), '>\r', '<\r\n'), ['ls\r'])
})

test('nothing is recorded that the terminal has not shown', () => {
  const piece = fc.string({ unit: fc.constantFrom('a', 'b', '\r', '\n', '\u0003', ' '), maxLength: 6 })
  const event = fc.tuple(fc.constantFrom('>', '<'), piece).map(([way, text]) => way + text)
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), events => {
      const bare = (text: string) => text.replaceAll(/[\r\n\u0003]/g, '')
      const shown = bare(
        events
          .filter(one => one.startsWith('<'))
          .map(one => one.slice(1))
          .join(''),
      )
      for (const line of typing(...events)) assert.ok(shown.includes(bare(line)), line)
    }),
  )
})
