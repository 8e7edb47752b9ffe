/** Why a port of `listen` could not be opened, for its operator. What is none of these is a defect of ours. */
import type { HostPort } from '../config/config.ts'
import { Taken, Unfit } from '../unfit.ts'

export function cannotListen(key: string, { host, port }: HostPort, cause: unknown): unknown {
  const at = `listen.${key} ${host.includes(':') ? `[${host}]` : host}:${port}`
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new Taken(`${at}: another program has this port`, { cause })
    case 'EADDRNOTAVAIL':
      return new Unfit(`${at}: this machine has no such address`, { cause })
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new Unfit(`${at}: the name ${host} is not known here; write an address of this machine`, {
        cause,
      })
    case 'EACCES':
      return new Unfit(`${at}: this user may not open the port; ports below 1024 are root's`, { cause })
    default:
      return cause
  }
}
