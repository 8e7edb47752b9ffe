/** Exit codes of every command, as `postern --help` lists them. 64 and up are BSD's sysexits.h. */
export const exit = {
  ok: 0,
  /** The answer is no: not permitted, a policy test failed, a broken chain, a promise of the demo not kept. */
  no: 1,
  usage: 64,
  /** The gateway, or a program that was to be run, is not there; what a gateway needs is another's. */
  unavailable: 69,
  internal: 70,
  /** postern.yaml is not valid, or what it names is not as a gateway needs it. */
  config: 78,
} as const
