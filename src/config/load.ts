/** Reads postern.yaml. Throws {@link ConfigError} with every problem, and only that. */
import { open } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Loaded, parseConfig } from './parse.ts'
import { ConfigError } from './problem.ts'
import type { ConfigProtocols } from './schema.ts'
import { maxBytes } from './source.ts'

export async function loadConfig(file: string, protocols: ConfigProtocols): Promise<Loaded> {
  return parseConfig(await readBytes(file), resolve(file), protocols, file)
}

/** One open, one read: what is judged is what was read (attacks 205 and 206). */
async function readBytes(path: string): Promise<Uint8Array> {
  try {
    await using handle = await open(path, 'r')
    const stat = await handle.stat()
    if (!stat.isFile()) throw refusal(path, 'this is not a file')
    const bytes = new Uint8Array(maxBytes + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length)
      length += bytesRead
      if (bytesRead === 0 || length === bytes.length) break
    }
    if (length > maxBytes) throw refusal(path, 'is larger than 1 MiB')
    return bytes.subarray(0, length)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    const { code = 'unknown error' } = error as NodeJS.ErrnoException
    throw refusal(path, code === 'ENOENT' ? 'does not exist' : `cannot be read: ${code}`, error)
  }
}

function refusal(path: string, message: string, cause?: unknown): ConfigError {
  return new ConfigError(path, [{ line: 1, column: 1, key: '', message }], { cause })
}
