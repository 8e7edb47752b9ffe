/**
 * What an error or a notice may say in a session with masks. Where a masked column decides (`filter: true`), the server may complain
 * of its value: `salary > 1::float8` of one above 1e308 is `"123000..." is out of range`, and so are all data exceptions.
 */
import { maskReport } from './mask.ts'
import type { PostgresScope } from './scope.ts'
import { type ERROR, errorFields, type NOTICE, report } from './wire.ts'

const WITHHELD =
  'postern: the message is withheld, for it may say a value of a masked column that filters (filter: true)'

/** SQLSTATE's class 22: the data were not what an operator or a function could take. */
const aboutData = (sqlstate: string | undefined): boolean => sqlstate?.startsWith('22') === true

export function withheld(
  type: typeof ERROR | typeof NOTICE,
  payload: Buffer,
  { mask }: Pick<PostgresScope, 'mask'>,
): Buffer {
  const { S, V, C } = errorFields(payload)
  if (!aboutData(C) || !mask.some(({ filter }) => filter === true)) return maskReport(type, payload)
  return report(type, { S, V, C, M: WITHHELD })
}
