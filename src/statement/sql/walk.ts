/**
 * The walk over a parse tree: every node is known or refused, every field of it is known or refused (`nodes.ts`).
 * Nodes that mean more than their parts have a handler; the others are walked through.
 */
import { nodes } from './nodes.ts'
import type { Place, Tree } from './place.ts'
import { refuseNewer } from './versions.ts'

/** Walks a node that carries its name (`{ ColumnRef: {...} }`), or a list of such nodes. */
export function visit(value: unknown, at: Place): void {
  if (value === undefined || value === null) return
  if (Array.isArray(value)) {
    for (const one of value) visit(one, at)
    return
  }
  // DISTINCT without ON stands in the tree as a list of one empty node.
  for (const [type, node] of Object.entries(value as Tree)) visitBare(type, node as Tree, at)
}

/** Walks a node whose name its place tells. */
export function visitBare(type: string, node: Tree, at: Place): void {
  const { handlers } = at.notes
  const handler = Object.hasOwn(handlers, type) ? handlers[type] : undefined
  if (handler === undefined) descend(type, node, at)
  else handler(node, at)
}

/** Walks a node's parts, without those named: their handler has seen to them. */
export function descend(type: string, node: Tree, at: Place, without: readonly string[] = []): void {
  const shape = Object.hasOwn(nodes, type) ? nodes[type] : undefined
  if (shape === undefined) {
    at.refuse(`${words(type)} is not permitted`)
    return
  }
  refuseNewer(type, at)
  for (const [field, value] of Object.entries(node)) {
    const holds = Object.hasOwn(shape, field) ? shape[field] : undefined
    if (holds === undefined) at.refuse(`${words(type)} with ${field} is not permitted`)
    else if (holds === null || without.includes(field)) continue
    else if (holds === '*') visit(value, at)
    else if (value !== null) visitBare(holds, value as Tree, at)
  }
}

/** `CreateFunctionStmt` as people say it: "create function". */
export function words(type: string): string {
  return type
    .replace(/Stmt$/, '')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
}

/** One named node's content, if it is of this type. */
export function only(value: unknown, type: string): Tree | undefined {
  const node = value as Tree | undefined | null
  return node && Object.hasOwn(node, type) ? (node[type] as Tree) : undefined
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
