import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { tempFolder } from '../audit/audit.fixture.ts'
import { type RawLine, readLines, readLinesBack } from './lines.ts'

async function all(batches: AsyncGenerator<RawLine[], void>): Promise<RawLine[]> {
  const lines: RawLine[] = []
  for await (const batch of batches) lines.push(...batch)
  return lines
}

const texts = (lines: readonly RawLine[]) => lines.map(line => Buffer.from(line.bytes).toString())

test('lines come forwards and backwards the same, whatever their length and wherever chunks end', async t => {
  const path = join(tempFolder(t), 'lines')
  const lengths = [0, 1, 65_535, 65_536, 65_537, 0, 262_143, 262_144, 300_000, 5]
  const lines = lengths.map((length, n) => String(n % 10).repeat(length))
  writeFileSync(path, lines.map(line => `${line}\n`).join(''))
  const forwards = await all(readLines(path))
  assert.deepEqual(texts(forwards), lines)
  const size = lines.reduce((sum, line) => sum + line.length + 1, 0)
  const backwards = await all(readLinesBack(path, size))
  assert.deepEqual(texts(backwards).reverse(), lines)
  assert.deepEqual(
    backwards.map(line => line.offset).reverse(),
    forwards.map(line => line.offset),
  )
})

test('a last line without its newline is not whole, and is left out backwards', async t => {
  const path = join(tempFolder(t), 'lines')
  writeFileSync(path, 'one\ntwo\nthr')
  const forwards = await all(readLines(path))
  assert.deepEqual(
    forwards.map(line => line.whole),
    [true, true, false],
  )
  assert.deepEqual(texts(await all(readLinesBack(path, 11))), ['two', 'one'])
})
