/** From a parse tree to the facts that a scope is held against, statement by statement. */
import type { Facts, Limits } from './analysis.ts'
import { copy } from './copy.ts'
import { expressions } from './expression.ts'
import { froms } from './from.ts'
import { identifier } from './names.ts'
import { hiddenIn } from './outputs.ts'
import { Enough, type Handlers, Notes, Place, type Spent, type Tree } from './place.ts'
import { select } from './select.ts'
import { set, show, transactionModes } from './settings.ts'
import { unsaid } from './unsaid.ts'
import { list, only, visit, visitBare, words } from './walk.ts'
import { writes } from './write.ts'

const handlers: Handlers = { ...expressions, ...froms, ...writes }

/** One statement's facts. `limits` is what the scope says of single columns, `spent` what those before it in its string took. */
export function factsOf(statement: unknown, limits: Limits, spent: Spent): Facts {
  const notes = new Notes(limits, handlers, spent)
  const at = new Place(notes)
  const [type = '', node] = Object.entries(statement as Tree)[0] ?? []
  const kind = walked(type, node as Tree, at)
  // In SET, COPY, EXPLAIN and their kin a literal may be a setting or an option.
  if (!/^(Select|Insert|Update|Delete|Merge)Stmt$/.test(type)) notes.literal = true
  return notes.facts(kind)
}

/** As far as it is worth going. */
function walked(type: string, node: Tree, at: Place): string {
  try {
    const kind = run(type, node, at)
    unsaid(at.notes)
    return kind
  } catch (error) {
    if (error instanceof Enough) return words(type)
    throw error
  }
}

/** Walks a statement that stands by itself, and answers its word. */
function run(type: string, node: Tree, at: Place): string {
  switch (type) {
    case 'SelectStmt':
      at.notes.shown = hiddenIn(select(node, at, 'top')).filter(one => one.sure).length
      return 'select'
    case 'InsertStmt':
    case 'UpdateStmt':
    case 'DeleteStmt':
    case 'MergeStmt':
      visitBare(type, node, at)
      return words(type)
    case 'ExplainStmt':
      return explain(node, at)
    case 'PrepareStmt':
      at.notes.prepares = true
      visit(node.argtypes, at)
      inner(node.query, at)
      return 'prepare'
    case 'DeclareCursorStmt':
      // WITH HOLD outlives the transaction, and with it what the server checks at its end (attack 87).
      if ((Number(node.options ?? 0) & HOLD) !== 0) at.refuse('a cursor WITH HOLD is not permitted')
      cursor(node.query, at)
      return 'declare cursor'
    case 'CopyStmt':
      options('copy', node.options, copies, at)
      copy(node, at)
      return 'copy'
    case 'ExecuteStmt':
      // Whatever has that name was judged under the same scope when it was prepared (attack 74).
      visit(node.params, at.inFrame())
      return 'execute'
    case 'TransactionStmt':
      return transaction(node, at)
    case 'VariableSetStmt':
      set(node, at)
      return 'set'
    case 'VariableShowStmt':
      show(node, at)
      return 'show'
    case 'FetchStmt':
      at.notes.fetches.push(identifier(String(node.portalname), at))
      return words(type)
    case 'ClosePortalStmt':
    case 'DeallocateStmt':
      return words(type)
    default:
      at.refuse(`${words(type)} is not permitted`)
      return words(type)
  }
}

const HOLD = 0x0020

/** What a cursor shows is masked where it is fetched; the relay forgets the portals whose names it may take. */
function cursor(query: unknown, at: Place): void {
  const inner = only(query, 'SelectStmt')
  if (inner === undefined) at.refuse('a cursor for anything but a select is not permitted')
  else select(inner, at, 'top')
}

/** What EXPLAIN, PREPARE and DECLARE hold is judged as if it stood by itself (attacks 73, 74). */
function inner(statement: unknown, at: Place): string {
  const [type = '', node] = Object.entries((statement ?? {}) as Tree)[0] ?? []
  if (/^(Select|Insert|Update|Delete|Merge|Execute|DeclareCursor)Stmt$/.test(type)) {
    const word = run(type, node as Tree, at)
    // Its rows are not what comes back now.
    at.notes.shown = 0
    return word
  }
  at.refuse(`${words(type)} is not permitted`)
  return words(type)
}

/** EXPLAIN ANALYZE runs what it explains, and says how many bytes sorts, hashes and output took: lengths of what is masked. */
function explain(node: Tree, at: Place): string {
  options('explain', node.options, explains, at)
  const executes = inner(node.query, at) === 'execute'
  const { shows, limits } = at.notes
  if (asks('analyze', node.options) && (shows || (executes && Object.keys(limits.masked).length > 0)))
    at.refuse('explain with analyze is not permitted where masked columns are shown: it measures them')
  // It runs what has that name: it counts as one that does.
  return executes ? 'explain execute' : 'explain'
}

const asks = (option: string, given: unknown): boolean =>
  list(given).some(one => only(one, 'DefElem')?.defname === option)

const explains =
  /^(analyze|verbose|costs|settings|generic_plan|buffers|serialize|wal|timing|summary|memory|format)$/
const copies =
  /^(format|header|delimiter|null|default|quote|escape|force_quote|force_not_null|force_null|on_error|log_verbosity|reject_limit)$/

function options(what: string, given: unknown, known: RegExp, at: Place): void {
  for (const option of list(given)) {
    const name = String(only(option, 'DefElem')?.defname)
    if (!known.test(name)) at.refuse(`${what} with ${name} is not permitted`)
  }
}

const controls: Readonly<Record<string, string | undefined>> = {
  TRANS_STMT_BEGIN: 'begin',
  TRANS_STMT_START: 'begin',
  TRANS_STMT_COMMIT: 'commit',
  TRANS_STMT_ROLLBACK: 'rollback',
  TRANS_STMT_SAVEPOINT: 'savepoint',
  TRANS_STMT_RELEASE: 'release',
  TRANS_STMT_ROLLBACK_TO: 'rollback',
}

function transaction(node: Tree, at: Place): string {
  const kind = controls[String(node.kind)]
  if (kind === undefined) at.refuse('two-phase commit is not permitted')
  transactionModes(list(node.options), at)
  return kind ?? 'transaction'
}
