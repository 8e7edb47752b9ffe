/**
 * Do imports point down the layers, and are secrets revealed only where they may be? (DESIGN.md section 3)
 *
 * Reads the source as text: dependency-cruiser sees no `.ts` file beside TypeScript 7, and through swc it stops at
 * `using` declarations. Imports of types count too: a layer that knows another's types knows the layer. Tests may import
 * anything. Each offending edge is named with its file and line.
 */
import { globSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { argv, exit } from 'node:process'

/** From top to bottom. A unit is a folder of `src/`, a file there, or one folder of `protocol/`. */
export const layers: readonly (readonly string[])[] = [
  ['main'],
  ['cli', 'demo'],
  ['gateway', 'workers', 'build', 'ports', 'reload', 'clock'],
  ['protocol/registry'],
  ['listener', 'api'],
  ['pipeline', 'steps', 'refused', 'doors', 'house', 'way'],
  ['broker'],
  ['identity', 'policy', 'approval', 'grant'],
  ['protocol/*'],
  ['protocol/protocol', 'protocol/reads', 'protocol/limit'],
  ['statement', 'recording', 'audit'],
  ['config', 'store', 'ledger'],
  ['telemetry', 'words', 'owner', 'denial', 'unfit', 'ending', 'bag'],
]

/** Layers whose units never import each other. In the others one may import its neighbour, but not both ways. */
const strangers: readonly string[] = ['identity', 'protocol/*']

/** One unit in several files and folders. */
const together: readonly (readonly string[])[] = [
  ['cli', 'demo'],
  ['pipeline', 'steps', 'refused', 'doors', 'house', 'way'],
  ['gateway', 'workers', 'build', 'ports', 'reload', 'clock'],
]

/** Edges that the rules above would refuse, each with its reason. */
const allowed: readonly { from: RegExp; to: RegExp; why: string }[] = [
  {
    from: /^src\/protocol\/kubernetes\//,
    to: /^src\/protocol\/http\/index\.ts$/,
    why: 'Kubernetes speaks HTTP',
  },
]

/** The registry knows every protocol; only these may know the registry, all else is handed it as a value. */
const registryFor: readonly string[] = ['main', 'cli']

/** The only files that may turn a secret into text. */
const revealing: readonly RegExp[] = [
  /^src\/protocol\/[^/]+\/dial\.ts$/,
  /^src\/broker\/leases\//,
  /^src\/workers\/lease\.ts$/,
  /^src\/listener\/tls\.ts$/,
  /^src\/ledger\/keys\.ts$/,
  /^src\/config\/secret\.ts$/,
]

export interface Offence {
  readonly file: string
  readonly line: number
  readonly what: string
}

export interface Edge {
  readonly from: string
  readonly to: string
  readonly line: number
}

/** What `text` imports from the project itself: static, dynamic, re-exported, or a worker's file by URL. */
export function edgesOf(from: string, text: string): Edge[] {
  const code = blankComments(text)
  const imports =
    /(?:\bfrom\s*|\bimport\s*\(?\s*|\bnew\s+URL\(\s*|\bimport\.meta\.resolve\(\s*)(['"])(\.{1,2}\/[^'"\n]+)\1/g
  return [...code.matchAll(imports)].map(found => ({
    from,
    to: posix.join(posix.dirname(from), found[2] ?? ''),
    line: lineAt(code, found.index + found[0].length),
  }))
}

/** Judges the whole tree: `files` maps a path such as `src/broker/live.ts` to its text. */
export function judge(files: ReadonlyMap<string, string>): Offence[] {
  const offences: Offence[] = []
  const sideways = sidewaysEdges(files)
  for (const [file, text] of files) {
    if (unitOf(file) === undefined)
      offences.push({ file, line: 1, what: 'belongs to no layer: name it in scripts/layers.ts' })
    for (const edge of edgesOf(file, text)) {
      const what = wrong(edge, sideways)
      if (what !== undefined)
        offences.push({ file, line: edge.line, what: `must not import ${edge.to}: ${what}` })
    }
    if (!revealing.some(place => place.test(file))) {
      const code = blankComments(text)
      for (const call of code.matchAll(/\.\s*(reveal|revealLine)\s*\(/g))
        offences.push({
          file,
          line: lineAt(code, call.index),
          what: `must not call ${call[1]}(): a secret stays shut here`,
        })
    }
  }
  return offences
}

function wrong({ from, to }: Edge, sideways: ReadonlySet<string>): string | undefined {
  if (!to.startsWith('src/'))
    return to.startsWith('..') || /^(test|bench|scripts)\//.test(to) ? 'outside src/' : undefined
  const [a, b] = [unitOf(from), unitOf(to)]
  if (a === undefined || b === undefined || a.name === b.name) return undefined
  if (allowed.some(edge => edge.from.test(from) && edge.to.test(to))) return undefined
  if (b.name === 'protocol/registry')
    return registryFor.includes(a.name)
      ? undefined
      : 'the registry is for main and cli; others are handed it as a value'
  if (a.layer < b.layer) return undefined
  if (a.layer > b.layer) return `${a.name} lies below ${b.name}`
  if (together.some(group => group.includes(a.name) && group.includes(b.name))) return undefined
  if (strangers.some(unit => layers[a.layer]?.includes(unit)))
    return `${a.name} and ${b.name} share a layer and never import each other`
  return sideways.has(`${b.name} ${a.name}`) ? `${a.name} and ${b.name} import each other` : undefined
}

/** Which units import which of their own layer: "api listener". */
function sidewaysEdges(files: ReadonlyMap<string, string>): Set<string> {
  const found = new Set<string>()
  for (const [file, text] of files)
    for (const { from, to } of edgesOf(file, text)) {
      const [a, b] = [unitOf(from), unitOf(to)]
      if (a !== undefined && a.layer === b?.layer && a.name !== b.name) found.add(`${a.name} ${b.name}`)
    }
  return found
}

function unitOf(file: string): { name: string; layer: number } | undefined {
  const [, top = '', second = ''] = file.split('/')
  const plain = (name: string): string => name.replace(/\.ts$/, '')
  const name = top === 'protocol' ? `protocol/${plain(second)}` : plain(top)
  const exact = layers.findIndex(layer => layer.includes(name))
  const layer =
    exact >= 0 || top !== 'protocol' || second.endsWith('.ts')
      ? exact
      : layers.findIndex(l => l.includes('protocol/*'))
  return layer < 0 ? undefined : { name, layer }
}

/** Comments become spaces, so that lines keep their numbers; strings and templates are passed over, so that `'//'` is not one. */
function blankComments(text: string): string {
  return text.replace(
    /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    token => (/^\/[/*]/.test(token) ? token.replace(/[^\n]/g, ' ') : token),
  )
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}

if (import.meta.main) {
  const paths = globSync('src/**/*.ts').filter(path => !path.endsWith('.test.ts'))
  const files = new Map(paths.map(path => [path.replaceAll('\\', '/'), readFileSync(path, 'utf8')]))
  if (argv.includes('--edges'))
    for (const [file, text] of files)
      for (const edge of edgesOf(file, text)) console.log(`${file} -> ${edge.to}`)
  const offences = judge(files)
  for (const { file, line, what } of offences) console.error(`${file}:${line}: ${what}`)
  const edges = [...files].reduce((sum, [file, text]) => sum + edgesOf(file, text).length, 0)
  console.log(`layers: ${files.size} files, ${edges} imports, ${offences.length} that must not be`)
  // Blind is not clean: a check that sees nothing has failed.
  exit(offences.length > 0 || edges === 0 ? 1 : 0)
}
