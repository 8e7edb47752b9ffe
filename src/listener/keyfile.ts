/** Key files: there whole or not at all, and from the first moment for us alone. */
import { randomBytes } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A certificate and its private key, both PEM. */
export interface Issued {
  readonly cert: string
  readonly key: string
}

/** Beside the file, synced, then in its place; the folder is synced too, so that a power cut cannot undo the name. */
export async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const folder = dirname(path)
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const beside = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    {
      await using file = await open(beside, 'wx', mode)
      await file.writeFile(text)
      await file.sync()
    }
    await rename(beside, path)
  } catch (error) {
    await rm(beside, { force: true })
    throw error
  }
  await using handle = await open(folder, 'r')
  await handle.sync()
}
