/**
 * COPY to and from the client; never a file or a program (attack 71). Its rows carry no origin, so that what is masked of them goes
 * by the guard alone: masked columns are copied out where every column can be counted, in a form that the relay reads exactly.
 */
import type { CopyForm } from './analysis.ts'
import { from } from './from.ts'
import { judgeNamed, refuseUnnamed } from './listed.ts'
import { parts, relationName } from './names.ts'
import { hiddenIn, type Output } from './outputs.ts'
import type { Entry, Place, Tree } from './place.ts'
import { select } from './select.ts'
import { list, only, visit } from './walk.ts'

export function copy(node: Tree, around: Place): void {
  if (node.is_program === true) around.refuse('copy with a program is not permitted')
  if (node.filename !== undefined) around.refuse('copy with a file is not permitted')
  const query = only(node.query, 'SelectStmt')
  if (query !== undefined) out(select(query, around, 'carried'), node.options, around)
  else if (node.query !== undefined) visit(node.query, around)
  const range = node.relation as Tree | undefined
  if (range === undefined) return
  if (node.is_from === true) {
    // Only what is written: no row of the table is seen, but by a WHERE over what comes in.
    around.verb('insert')
    const relation = relationName(range, around)
    around.touch('insert', relation)
    const entry = { name: String(range.relname), relation, masked: [], only: around.limitsOf(relation).only }
    named(node.attlist, entry, 'copy into', around)
    visit(node.whereClause, around.inFrame([entry]))
    return
  }
  const at = around.inFrame()
  around.verb('select')
  from([{ RangeVar: range }], at, select)
  for (const entry of at.frame.entries) {
    named(node.attlist, entry, 'copy of', at)
    out(table(entry, node.attlist, at), node.options, at)
  }
}

/** The columns that COPY names, or all of them. */
function named(columns: unknown, entry: Entry, what: string, at: Place): void {
  judgeNamed(entry, parts(columns, at), at)
  if (entry.only !== undefined && columns === undefined) refuseUnnamed(entry, what, at)
}

function table({ masked }: Entry, columns: unknown, at: Place): Output {
  if (columns === undefined) return ['many', ...masked]
  const names = parts(columns, at)
  at.notes.work(names.length * (1 + masked.length))
  return names.map(name => masked.find(one => one.name === name) ?? 'one')
}

function out(output: Output, options: unknown, at: Place): void {
  const hidden = hiddenIn(output)
  const [first] = hidden
  if (first === undefined) return
  // They cross to the loop's thread, and are kept with the verdict.
  at.notes.work(100 * output.length)
  if (output.includes('many')) {
    at.refuse(
      `${first.of} is masked: it is copied out only by name; write copy t (a, b) to stdout or copy (select a, b from ...) to stdout`,
    )
    return
  }
  // Under its mask the other one would be hidden, and nobody be told.
  const unsure = hidden.find(one => !one.sure)
  if (unsure !== undefined) {
    at.refuse(
      `${unsure.of} is masked, and a name here may mean it or another: write it with its table's name, and give each table a name of its own`,
    )
    return
  }
  const form = formOf(options)
  if (typeof form === 'string') at.refuse(`${first.of} is masked: it is not copied out with ${form}`)
  else at.notes.copied = { columns: output.map(one => (typeof one === 'string' ? null : one.of)), ...form }
}

const yes = /^(true|on|1)$/i
const no = /^(false|off|0)$/i

/** How the rows are written, or which option leaves that open. */
function formOf(options: unknown): CopyForm | string {
  const given = new Map(
    list(options).map(one => {
      const { defname, arg } = only(one, 'DefElem') ?? {}
      return [String(defname), arg] as const
    }),
  )
  const text = (option: string): string | undefined => only(given.get(option), 'String')?.sval as string
  const format = given.has('format') ? text('format') : 'text'
  if (format !== 'text' && format !== 'csv' && format !== 'binary') return 'a format of another kind'
  const header = given.has('header') ? headerOf(given.get('header')) : false
  if (header === undefined) return 'that header'
  for (const sign of ['delimiter', 'quote', 'escape'])
    if (given.has(sign) && !/^[\t!-~]$/.test(text(sign) ?? '')) return `that ${sign}`
  // Elsewhere a value can look like what is written for none: which value it is would be told by which shows as it is.
  const none = given.has('null') ? text('null') : format === 'csv' ? '' : '\\N'
  if (none === undefined || (format === 'text' && none !== '\\N')) return 'null other than \\N'
  const quote = text('quote') ?? '"'
  const delimiter = text('delimiter') ?? (format === 'csv' ? ',' : '\t')
  return { format, header, delimiter, quote, escape: text('escape') ?? quote, none }
}

function headerOf(arg: unknown): boolean | undefined {
  if (arg === undefined) return true
  // Without a value a Boolean is false, and an Integer 0.
  const boolean = only(arg, 'Boolean')
  if (boolean !== undefined) return boolean.boolval === true
  const integer = only(arg, 'Integer')
  const word = String(integer === undefined ? only(arg, 'String')?.sval : (integer.ival ?? 0))
  return yes.test(word) ? true : no.test(word) ? false : undefined
}
