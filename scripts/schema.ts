/** Writes schema/postern.schema.json from the schema in src/config; with --check it only says whether that is needed. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { jsonSchema } from '../src/config/json-schema.ts'
import { protocols } from '../src/protocol/registry.ts'

const file = fileURLToPath(new URL('../schema/postern.schema.json', import.meta.url))
const head = { $schema: 'https://json-schema.org/draft/2020-12/schema' }
const text = `${JSON.stringify({ ...head, ...jsonSchema(protocols) }, null, 2)}\n`

if (!process.argv.includes('--check')) {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
} else if (text !== (await readFile(file, 'utf8').catch(() => ''))) {
  console.error('schema/postern.schema.json is not what src/config says; run: node scripts/schema.ts')
  process.exitCode = 1
}
