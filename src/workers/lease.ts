/**
 * A lease on its way to the worker that dials with it. The one place beside those that dial where its secrets are opened:
 * they cross the channel between two processes of ours, a socketpair, and are shut again at the other end.
 */
import { type Leased, Secret } from '../config/secret.ts'

/** A lease whose secrets stand open. Never to be kept, logged or written. */
export type CarriedLease = { readonly [opened]: true }
declare const opened: unique symbol

/** Stands for a secret; as a key of a lease it would not pass any protocol's schema. */
const mark = '\0secret'

export function carry(lease: Leased<object>): CarriedLease {
  return mapped(lease, value =>
    value instanceof Secret ? { [mark]: value.reveal() } : undefined,
  ) as CarriedLease
}

export function arrived(lease: CarriedLease): Leased<object> {
  return mapped(lease, value =>
    mark in value ? new Secret(String((value as { [mark]: unknown })[mark])) : undefined,
  ) as Leased<object>
}

function mapped(value: unknown, at: (value: object) => unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const found = at(value)
  if (found !== undefined) return found
  if (Array.isArray(value)) return value.map(each => mapped(each, at))
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, mapped(each, at)]))
}
