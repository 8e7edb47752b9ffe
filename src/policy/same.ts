/** Whether two scopes say the same, also when one of them has been through JSON, which drops what is undefined. */
import { isDeepStrictEqual } from 'node:util'

export function same(one: unknown, other: unknown): boolean {
  return isDeepStrictEqual(plain(one), plain(other))
}

const plain = (value: unknown): unknown =>
  value === undefined ? undefined : JSON.parse(JSON.stringify(value))
