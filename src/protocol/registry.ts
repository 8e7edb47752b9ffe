/** Every protocol the gateway speaks, one line each. Imported by main and the CLI alone; all else gets it as a value. */
import { http } from './http/index.ts'
import { kubernetes } from './kubernetes/index.ts'
import { postgres } from './postgres/index.ts'
import type { AnyProtocol } from './protocol.ts'
import { ssh } from './ssh/index.ts'

export const protocols: ReadonlyMap<string, AnyProtocol> = new Map(
  [postgres, ssh, http, kubernetes].map((protocol: AnyProtocol) => [protocol.name, protocol]),
)
