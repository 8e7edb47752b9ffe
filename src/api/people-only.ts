/**
 * Routes for people alone. Who is calling is judged before what was sent: a stranger learns nothing of a call's form, and
 * whoever is refused is audited, whatever came with the call.
 */
import type { Context, MiddlewareHandler } from 'hono'
import { Refused } from '../denial.ts'
import type { House } from '../house.ts'
import { fenced } from '../ledger/text.ts'
import type { Identity } from '../words.ts'
import { type ApiEnv, approverOf, personOf } from './caller.ts'
import type { Role } from './person.ts'
import { shown } from './shown.ts'

interface PeopleEnv extends ApiEnv {
  Variables: ApiEnv['Variables'] & { person: Identity }
}

type Only = MiddlewareHandler<PeopleEnv>

const only =
  (house: House, personIn: (c: Context<ApiEnv>) => Promise<Identity | Refused>): Only =>
  async (c, next) => {
    const person = await personIn(c as unknown as Context<ApiEnv>)
    if (person instanceof Refused) return shown(c, house, person)
    c.set('person', person)
    await next()
    // Attacks 60, 180: an agent's reason must not act on the terminal of whoever is to approve it, nor read otherwise than it is.
    if (isJson.test(c.res.headers.get('content-type') ?? ''))
      c.res = new Response(fenced(await c.res.text()), c.res)
    return undefined
  }

const isJson = /^application\/(?:problem\+)?json/

export const onlyPeople = (house: House, role: Role): Only => only(house, c => personOf(c, house, role))

/** Whose word may count on a pending grant; whether it does, and which of them they see, the rule says. */
export const onlyApprovers = (house: House): Only => only(house, c => approverOf(c, house))
