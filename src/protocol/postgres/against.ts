/**
 * A statement's facts held against a scope: every reason why not, in words for its caller. One by one, for there may be thousands, and
 * nobody is told more than a few (attack 103). Pure.
 */
import type { Touch } from '../../recording/record.ts'
import type { Facts } from '../../statement/sql/analysis.ts'
import { catalogueRelations } from '../../statement/sql/catalogue.gen.ts'
import { catalogueByHand } from '../../statement/sql/catalogue-by-hand.ts'
import { isVetted } from '../../statement/sql/names.ts'
import { permits } from './relations.ts'
import type { PostgresScope } from './scope.ts'

export function* against(facts: Facts, scope: PostgresScope): Generator<string> {
  for (const { verb, where } of facts.verbs) {
    if (scope.statements.includes(verb)) continue
    const on = facts.touches
      .filter(touch => touch.act === (verb === 'select' ? 'read' : verb))
      .map(touch => touch.on)
    const said = on.length > MOST_NAMES ? [...on.slice(0, MOST_NAMES), '...'] : on
    yield `${verb}${where === undefined ? '' : ` ${where}`}${on.length === 0 ? '' : ` on ${said.join(', ')}`} is not permitted`
  }
  yield* facts.refusals
  for (const touch of facts.touches) {
    const problem = touching(touch, scope)
    if (problem !== undefined) yield problem
  }
  if (facts.timeout !== undefined && scope.statement_timeout !== null) {
    // 0 is no timeout at all.
    if (facts.timeout === 0 || facts.timeout > scope.statement_timeout) {
      yield `set statement_timeout above ${scope.statement_timeout} ms is not permitted`
    }
  }
}

/** Of the relations that a verb is about, in one refusal. */
const MOST_NAMES = 30

function touching({ act, on }: Touch, scope: PostgresScope): string | undefined {
  switch (act) {
    case 'call':
      return calling(on, scope)
    case 'read':
      if (permits(scope.tables, on) || (scope.catalog && catalogueRelations.has(on))) return undefined
      return `select on ${on} is not permitted${meant(on, scope.tables)}`
    case 'lock':
      // A row lock stops other people's writes: it is for those who may write the table (attack 90).
      if (permits(scope.write_tables, on) && scope.statements.includes('update')) return undefined
      return `a row lock (FOR UPDATE, FOR SHARE) on ${on} is not permitted`
    default:
      if (permits(scope.write_tables, on)) return undefined
      return `${act} on ${on} is not permitted${meant(on, scope.write_tables)}`
  }
}

/** How to do without the catalogue. */
const without: Readonly<Record<string, string | undefined>> = {
  pg_typeof: ', or to be written pg_typeof(...)::text',
}

function calling(on: string, scope: PostgresScope): string | undefined {
  if (isVetted(on) || scope.functions.includes(on)) return undefined
  const ofCatalogue = catalogueByHand.functions.has(on)
  if (ofCatalogue && scope.catalog) return undefined
  const name = on.replace(/^pg_catalog\./, '')
  const needs = ofCatalogue ? `: it needs catalog: true${without[name] ?? ''}` : ''
  const elsewhere = scope.functions.find(one => last(one) === last(on))
  return `function ${name} is not vetted${elsewhere === undefined ? needs : `: write ${elsewhere}`}`
}

/** What a name that is not permitted was perhaps meant to be: the same in another schema, or otherwise spelt. */
function meant(on: string, list: readonly string[]): string {
  if (catalogueRelations.has(on)) return ': it needs catalog: true'
  const alike = list.find(entry => last(entry).toLowerCase() === last(on).toLowerCase())
  return alike === undefined ? '' : `: write ${quoted(alike)}`
}

const last = (name: string) => name.slice(name.lastIndexOf('.') + 1)
const quoted = (name: string) =>
  name.replace(/[^.]+/g, one => (/^[a-z_][a-z0-9_$]*$/.test(one) ? one : `"${one}"`))
