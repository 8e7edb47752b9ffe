/** Every protocol the gateway speaks, one line each. Imported by main and the CLI alone; all else gets it as a value. */
import type { AnyProtocol } from './protocol.ts'

export const protocols: ReadonlyMap<string, AnyProtocol> = new Map([])
