/**
 * What a session may change about itself, and may ask: what drivers send, and nothing that decides how names resolve,
 * how text is read, who one is, or whether one may write (attacks 76, 81, 88, 89).
 */
import type { Place, Tree } from './place.ts'
import { list, only } from './walk.ts'

/** SET and RESET. Values are the server's to check, but for those in `pinned`. */
const settable = new Set([
  'application_name',
  'bytea_output',
  'client_min_messages',
  'datestyle',
  'default_transaction_isolation',
  'escape_string_warning',
  'extra_float_digits',
  'intervalstyle',
  'jit',
  'lock_timeout',
  'plan_cache_mode',
  'synchronize_seqscans',
  'timezone',
  'transaction_isolation',
  'xmloption',
])

/** Only ever these values: the guard and the mask read text by them. */
const pinned: Readonly<Record<string, RegExp | undefined>> = {
  client_encoding: /^(utf-?8|unicode)$/i,
  standard_conforming_strings: /^(on|true|yes|1)$/i,
}

/** Set within what the session began with (`session-setup.ts`): RESET falls back to that. */
const IDLE = 'idle_in_transaction_session_timeout'
const MOST_IDLE = 600_000

const readable = new Set([
  ...settable,
  ...Object.keys(pinned),
  IDLE,
  'block_size',
  'default_table_access_method',
  'default_transaction_deferrable',
  'default_transaction_read_only',
  'in_hot_standby',
  'integer_datetimes',
  'is_superuser',
  'lc_collate',
  'lc_ctype',
  'lc_messages',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'max_identifier_length',
  'max_index_keys',
  'search_path',
  'server_encoding',
  'server_version',
  'server_version_num',
  'session_authorization',
  'statement_timeout',
  'transaction_deferrable',
  'transaction_read_only',
])

export function set(node: Tree, at: Place): void {
  const name = String(node.name ?? '').toLowerCase()
  switch (node.kind) {
    case 'VAR_SET_VALUE':
      setValue(name, list(node.args), at)
      break
    case 'VAR_SET_DEFAULT':
    case 'VAR_RESET':
      // What the gateway pins and bounds must not fall back to what the database says.
      if (!settable.has(name) && name !== IDLE) at.refuse(`reset of ${name} is not permitted`)
      break
    case 'VAR_SET_MULTI':
      if (name !== 'transaction' && name !== 'session characteristics')
        at.refuse(`set ${name} is not permitted`)
      else transactionModes(list(node.args), at)
      break
    case 'VAR_RESET_ALL':
      at.refuse('reset all is not permitted')
      break
    default:
      at.refuse(`set ${name} in this form is not permitted`)
  }
}

function setValue(name: string, args: readonly unknown[], at: Place): void {
  const values = args.map(literal)
  const [value] = values
  const only = Object.hasOwn(pinned, name) ? pinned[name] : undefined
  if (values.includes(undefined)) at.refuse(`set ${name} to anything but a value is not permitted`)
  else if (name === 'statement_timeout') at.notes.timeout = milliseconds(values)
  else if (name === IDLE) {
    const span = milliseconds(values)
    if (span === 0 || span > MOST_IDLE)
      at.refuse(`set ${IDLE} to anything but 1 to ${MOST_IDLE} ms is not permitted`)
  } else if (only !== undefined) {
    if (values.length !== 1 || !only.test(value ?? '')) at.refuse(`set ${name} to ${value} is not permitted`)
  } else if (name === 'application_name' && values.some(one => /postern/i.test(one ?? ''))) {
    // The server's log knows grants by it: nobody is to pass for another.
    at.refuse('set application_name to a name with postern in it is not permitted')
  } else if (!settable.has(name)) at.refuse(`set ${name} is not permitted`)
}

/** A plain value's text. `SET TIME ZONE INTERVAL '...'` casts one. */
function literal(arg: unknown): string | undefined {
  const value = only(arg, 'A_Const') ?? only(only(arg, 'TypeCast')?.arg, 'A_Const')
  if (value === undefined) return undefined
  const { ival, fval, sval, boolval } = value as Record<string, Record<string, unknown> | undefined>
  return String(sval?.sval ?? fval?.fval ?? ival?.ival ?? boolval?.boolval ?? (ival ? 0 : ''))
}

/** Not `us`: the server rounds half a millisecond to the even one, and 0 is no timeout at all. */
const units: Readonly<Record<string, number | undefined>> = {
  '': 1,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/**
 * As the server reads it; what it might read otherwise counts as no timeout at all: after a leading 0 octal and hexadecimal
 * digits, fractions and exponents, which it rounds.
 */
function milliseconds(values: readonly (string | undefined)[]): number {
  const [, digits, unit] = /^\s*([1-9][0-9]{0,9})\s*([a-z]*)\s*$/.exec(values[0] ?? '') ?? []
  const factor = unit === undefined || !Object.hasOwn(units, unit) ? undefined : units[unit]
  return values.length !== 1 || digits === undefined || factor === undefined ? 0 : Number(digits) * factor
}

export function mayShow(setting: string): boolean {
  return readable.has(setting.toLowerCase())
}

export function show(node: Tree, at: Place): void {
  const name = String(node.name ?? '').toLowerCase()
  if (!mayShow(name)) at.refuse(`show ${name} is not permitted`)
}

/** `BEGIN ISOLATION LEVEL ...`: nothing that ends the session's being read-only (attack 89). */
export function transactionModes(options: readonly unknown[], at: Place): void {
  for (const option of options) {
    const { defname, arg } = only(option, 'DefElem') ?? {}
    const value = literal(arg)
    if (defname === 'transaction_isolation' || defname === 'transaction_deferrable') continue
    if (defname !== 'transaction_read_only') at.refuse('this form of SET TRANSACTION is not permitted')
    else if (value !== '1') at.refuse('READ WRITE is not permitted')
  }
}
