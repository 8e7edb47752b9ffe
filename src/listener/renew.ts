/**
 * The certificate is looked at daily: under `tls: auto` it is made anew before it grows old, and the operator may have put
 * another in the place of his own. What cannot be loaded changes nothing.
 */
import type { Config } from '../config/config.ts'
import type { Log } from '../telemetry/log.ts'
import type { Clock } from '../words.ts'
import { type TlsKeys, tlsOf } from './tls.ts'

export interface Renewing {
  /** The configuration in force. */
  config(): Config
  readonly clock: Clock
  readonly log: Log
}

const A_DAY = 24 * 3_600_000

export function renewDaily(at: Renewing, renewed: (tls: TlsKeys) => void): Disposable {
  const timer = setInterval(() => void renew(at, renewed), A_DAY).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

async function renew({ config, clock, log }: Renewing, renewed: (tls: TlsKeys) => void): Promise<void> {
  const of = config()
  try {
    const tls = await tlsOf(of, clock.now())
    // A reload meanwhile has looked for itself, and perhaps for other names.
    if (config() === of) renewed(tls)
  } catch (error) {
    log.error({ err: error }, 'the certificate could not be looked at: the old one stays')
  }
}
