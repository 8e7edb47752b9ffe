/**
 * What a GraphQL document does (GraphQL specification, October 2021, section 2): the type of each of its operations and
 * the top-level fields it names, through fragments and under whatever alias. Pure. Read by the reference parser, which
 * descends once a level: so length, tokens and nesting are capped before it sees the text.
 */
import { type FragmentDefinitionNode, Kind, parse, type SelectionSetNode, visit } from 'graphql'

export interface Operation {
  readonly type: 'query' | 'mutation' | 'subscription'
  readonly name: string | undefined
  /** Names, never aliases, each once; `__typename` is among them. */
  readonly fields: readonly string[]
}

export type ReadDocument =
  | { readonly operations: readonly Operation[]; readonly hasAlias: boolean }
  | { readonly unreadable: string }

const longest = 64 * 1024
const mostTokens = 4000
const deepest = 64

export function readDocument(text: string): ReadDocument {
  if (text.length > longest) return { unreadable: `a document of more than ${longest} characters` }
  if (nesting(text) > deepest) return { unreadable: `a document nested more than ${deepest} deep` }
  try {
    const document = parse(text, { noLocation: true, maxTokens: mostTokens })
    const { definitions } = document
    const fragments = new Map<string, FragmentDefinitionNode>()
    for (const one of definitions) {
      if (one.kind !== Kind.FRAGMENT_DEFINITION) continue
      // Two of a name, and servers may take either.
      if (fragments.has(one.name.value)) return { unreadable: `two fragments ${one.name.value}` }
      fragments.set(one.name.value, one)
    }
    const operations: Operation[] = []
    let hasAlias = false
    visit(document, {
      Field({ alias }) {
        hasAlias ||= alias !== undefined
      },
    })
    for (const one of definitions) {
      if (one.kind === Kind.FRAGMENT_DEFINITION) continue
      if (one.kind !== Kind.OPERATION_DEFINITION) return { unreadable: 'a definition that is no operation' }
      const fields = new Set<string>()
      const problem = gather(one.selectionSet, fragments, fields, new Set())
      if (problem !== undefined) return { unreadable: problem }
      if (fields.size === 0) return { unreadable: 'an operation without a field' }
      operations.push({ type: one.operation, name: one.name?.value, fields: [...fields] })
    }
    return operations.length === 0
      ? { unreadable: 'a document without an operation' }
      : { operations, hasAlias }
  } catch (error) {
    return { unreadable: `a document that cannot be parsed: ${(error as Error).message.slice(0, 200)}` }
  }
}

/** Directives such as @skip change nothing: what may be asked for is judged, not what a variable makes of it. */
function gather(
  { selections }: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
  fields: Set<string>,
  inside: Set<string>,
): string | undefined {
  for (const one of selections) {
    if (one.kind === Kind.FIELD) {
      fields.add(one.name.value)
      continue
    }
    let set = one.kind === Kind.INLINE_FRAGMENT ? one.selectionSet : undefined
    if (one.kind === Kind.FRAGMENT_SPREAD) {
      const name = one.name.value
      // Once is enough, and a cycle ends here.
      if (inside.has(name)) continue
      inside.add(name)
      set = fragments.get(name)?.selectionSet
      if (set === undefined) return `a fragment ${name} that is not there`
    }
    const problem = set && gather(set, fragments, fields, inside)
    if (problem !== undefined) return problem
  }
  return undefined
}

/** What holds brackets that open nothing (section 2.9.4, 2.1.2). What has no end stays, and the parser stops there too. */
const quoted = /"""(?:\\"""|[\s\S])*?"""|"(?:\\.|[^"\\\n\r])*"|#[^\n\r]*/g

function nesting(text: string): number {
  let depth = 0
  let most = 0
  for (const bracket of text.replace(quoted, '').match(/[{}[\]()]/g) ?? []) {
    depth += '{[('.includes(bracket) ? 1 : -1
    most = Math.max(most, depth)
  }
  return most
}
