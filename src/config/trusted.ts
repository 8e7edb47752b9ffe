/**
 * The configuration as `serve` takes it, at its start and on SIGHUP: valid, and nobody else could have written it.
 *
 * Permissions can be checked only once the file has said what else there is to check, so it is read again afterwards: what is
 * used is what was read when nobody could change it any more (attack 206: a link swapped between the look and the use).
 */
import { loadConfig } from './load.ts'
import type { Loaded } from './parse.ts'
import { checkPermissions, makeData } from './permissions.ts'
import { ConfigError } from './problem.ts'
import type { ConfigProtocols } from './schema.ts'

/** Throws {@link ConfigError}, for what is wrong in the file as for what is wrong around it. Makes `data/` if it is absent. */
export async function loadTrusted(file: string, protocols: ConfigProtocols): Promise<Loaded> {
  const first = await loadConfig(file, protocols)
  try {
    await makeData(first.config.data)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    throw refusal(file, [`${first.config.data} cannot be made a folder: ${code}`], error)
  }
  const open = await checkPermissions(first)
  if (open.length > 0) throw refusal(file, open)
  const loaded = await loadConfig(file, protocols)
  if (loaded.config.digest !== first.config.digest)
    throw refusal(file, ['was changed while it was being read'])
  return loaded
}

function refusal(file: string, messages: readonly string[], cause?: unknown): ConfigError {
  return new ConfigError(
    file,
    messages.map(message => ({ line: 1, column: 1, key: '', message })),
    { cause },
  )
}
