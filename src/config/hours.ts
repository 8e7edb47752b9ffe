/** `hours: "Mon-Fri 08:00-18:00 Europe/Berlin"`: days, times of the day, and the zone they are meant in. */
import { z } from 'zod'
import type { When } from './config.ts'

type Hours = NonNullable<When['hours']>

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']

/** Undefined for anything but the one form; a window over midnight is two rules. */
export function parseHours(text: string): Hours | undefined {
  const [dayList, window, zone, ...rest] = text.split(' ')
  if (dayList === undefined || window === undefined || zone === undefined || rest.length > 0) return undefined
  const on = parseDays(dayList)
  const times = /^([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})$/.exec(window)
  if (on === undefined || times === null || !isZone(zone)) return undefined
  const [from, to] = [minutes(times[1], times[2]), minutes(times[3], times[4])]
  if (from === undefined || to === undefined || from >= to) return undefined
  return { days: on, from, to, zone }
}

function parseDays(text: string): number[] | undefined {
  const found = new Set<number>()
  for (const part of text.split(',')) {
    const [first, last, ...rest] = part.split('-').map(day => days.indexOf(day))
    if (first === undefined || first < 0 || last === -1 || rest.length > 0) return undefined
    // Fri-Mon goes over the week's end.
    for (let day = first; ; day = (day + 1) % 7) {
      found.add(day)
      if (day === (last ?? first)) break
    }
  }
  return [...found].sort()
}

function minutes(hour: string | undefined, minute: string | undefined): number | undefined {
  const [h, m] = [Number(hour), Number(minute)]
  return m < 60 && h * 60 + m <= 1440 ? h * 60 + m : undefined
}

function isZone(zone: string): boolean {
  try {
    return (
      zone.length <= 64 && new Intl.DateTimeFormat('en', { timeZone: zone }).resolvedOptions().timeZone !== ''
    )
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

const form =
  'must be days, times and a time zone, such as "Mon-Fri 08:00-18:00 Europe/Berlin"; a window over midnight is two rules'

export const hours = z.string({ error: form }).transform((text, at): Hours => {
  const parsed = parseHours(text)
  if (parsed !== undefined) return parsed
  at.addIssue({ code: 'custom', message: form, input: undefined })
  return z.NEVER
})
