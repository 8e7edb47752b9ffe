/**
 * Prometheus metrics. Labels come from closed lists (codes, protocol names, ways of ending): never a connection, a
 * subject or anything a caller chose (attack 174).
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export interface Metrics {
  readonly registry: Registry
  readonly denials: Counter<'code' | 'where'>
  readonly grants: Counter<'protocol' | 'state'>
  readonly sessions: Gauge<'protocol'>
  readonly endings: Counter<'how' | 'why'>
  /** From the decision to cut until both sockets were gone, seconds. */
  readonly cut: Histogram
}

export function createMetrics(): Metrics {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  return {
    registry,
    denials: new Counter({
      name: 'postern_denials_total',
      help: 'Refusals by code: of calls to the API, and of what was shown at doors; not of statements',
      labelNames: ['code', 'where'],
      registers,
    }),
    grants: new Counter({
      name: 'postern_grants_total',
      help: 'Grants that became pending or active; an approved one became both',
      labelNames: ['protocol', 'state'],
      registers,
    }),
    sessions: new Gauge({
      name: 'postern_sessions_open',
      help: 'Sessions open now',
      labelNames: ['protocol'],
      registers,
    }),
    endings: new Counter({
      name: 'postern_session_endings_total',
      help: 'Sessions that ended: closed or cut, and why',
      labelNames: ['how', 'why'],
      registers,
    }),
    cut: new Histogram({
      name: 'postern_cut_seconds',
      help: 'From the decision to cut a session until its sockets were gone',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
      registers,
    }),
  }
}
