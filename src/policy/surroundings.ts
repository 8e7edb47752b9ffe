/**
 * What changes around the rules between two configurations: issuers, connections, people. Any of them can move who gets
 * where without one rule changing. Values are shown; a lease is only said to differ, and secrets are references anyway.
 */
import type { Config, Connection, IssuerConfig, PeopleConfig } from '../config/config.ts'
import { same } from './same.ts'

type Side = Pick<Config, 'issuers' | 'connections' | 'people'>

export function compareSurroundings(old: Side, now: Side): readonly string[] {
  return [
    ...entries('issuer', old.issuers, now.issuers, issuerChanges),
    ...entries('connection', old.connections, now.connections, connectionChanges),
    ...peopleChanges(old.people, now.people),
  ]
}

function entries<T>(
  what: string,
  old: ReadonlyMap<string, T>,
  now: ReadonlyMap<string, T>,
  changes: (before: T, after: T) => readonly string[],
): string[] {
  const changed = [...now].flatMap(([name, after]) => {
    const before = old.get(name)
    return before === undefined
      ? [`${what} ${name} is new`]
      : changes(before, after).map(text => `${what} ${name}: ${text}`)
  })
  const gone = [...old.keys()].filter(name => !now.has(name))
  return [...changed, ...gone.map(name => `${what} ${name} is gone`)]
}

function issuerChanges(before: IssuerConfig, after: IssuerConfig): readonly string[] {
  const keys = [
    'issuer',
    'audience',
    'groupsClaim',
    'algorithms',
    'clients',
    'dpop',
    'clockTolerance',
  ] as const
  const plain = keys
    .filter(key => !same(before[key], after[key]))
    .map(key => change(words[key], before[key], after[key]))
  const clients = new Set([...before.clientGroups.keys(), ...after.clientGroups.keys()])
  const mapped = [...clients].filter(one => !same(before.clientGroups.get(one), after.clientGroups.get(one)))
  return [
    ...plain,
    ...mapped.map(one =>
      change(`client_groups of ${one}`, before.clientGroups.get(one), after.clientGroups.get(one)),
    ),
  ]
}

const words = {
  issuer: 'issuer',
  audience: 'audience',
  groupsClaim: 'groups_claim',
  algorithms: 'algorithms',
  clients: 'clients',
  dpop: 'dpop',
  clockTolerance: 'clock_tolerance (ms)',
}

function connectionChanges(before: Connection, after: Connection): readonly string[] {
  const changes: string[] = []
  if (before.protocol !== after.protocol) changes.push(change('protocol', before.protocol, after.protocol))
  if (!same(before.target, after.target)) changes.push(change('target', before.target, after.target))
  if (!same(before.lease, after.lease))
    changes.push('lease differs: sessions there act as somebody else, or with another secret')
  if (before.tokenLogin !== after.tokenLogin)
    changes.push(change('token_login', before.tokenLogin, after.tokenLogin))
  return changes
}

function peopleChanges(before: PeopleConfig | undefined, after: PeopleConfig | undefined): readonly string[] {
  const keys = ['clients', 'operators', 'auditors'] as const
  return keys
    .filter(key => !same(before?.[key], after?.[key]))
    .map(key => change(`people.${key}`, before?.[key], after?.[key]))
}

const change = (what: string, from: unknown, to: unknown): string =>
  `${what} ${JSON.stringify(from) ?? 'none'} -> ${JSON.stringify(to) ?? 'none'}`
