/**
 * Names and passwords. An id sorts by its time and cannot be guessed (99 random bits); a password has 256 random bits,
 * which is why a plain SHA-256 of it may be kept: there is no dictionary to try.
 *
 * Base58: no 0 O I l, which people mistype; its order is ASCII's, so ids sort as text.
 */
import type { Millis } from '../words.ts'

export type RandomBytes = (size: number) => Uint8Array

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
const EPOCH = Date.UTC(2026, 0, 1)
/** Milliseconds in seven digits reach the year 2095. */
const TIME_DIGITS = 7
/** 58^17 > 2^99. Taken from 128 random bits, so that no digit is likelier than another by more than 2^-28. */
const RANDOM_DIGITS = 17

export const newGrantId = (now: Millis, random: RandomBytes): string => `g_${sortable(now, random)}`
export const newSessionId = (now: Millis, random: RandomBytes): string => `s_${sortable(now, random)}`
export const newLockId = (now: Millis, random: RandomBytes): string => `l_${sortable(now, random)}`
export const newPassword = (random: RandomBytes): string =>
  `pst_${Buffer.from(random(32)).toString('base64url')}`

/** What cannot be a grant's id is looked for nowhere: no query, no file name (attacks 128, 186). */
export const isGrantId = (text: string): boolean => /^g_[1-9A-HJ-NP-Za-km-z]{24}$/.test(text)

function sortable(now: Millis, random: RandomBytes): string {
  const time = BigInt(Math.max(0, Math.trunc(now) - EPOCH))
  const bits = BigInt(`0x${Buffer.from(random(16)).toString('hex')}`)
  return digits(time, TIME_DIGITS) + digits(bits, RANDOM_DIGITS)
}

function digits(value: bigint, count: number): string {
  let text = ''
  for (let left = value; text.length < count; left /= 58n) text = ALPHABET.charAt(Number(left % 58n)) + text
  return text
}
