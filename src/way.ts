/**
 * A way is a list of steps whose order the compiler checks: each step says what it needs of those before it and what
 * it adds, so a lease cannot be taken before the recording is open. One refusal ends the way; whatever was opened is
 * undone; the refusal is told to `refused` exactly once, which audits it.
 */
import { GatewayError, Refused, refuse } from './denial.ts'

/** Needs part of what is known so far, answers with what it adds, or refuses. */
export type Step<Need, Add, House> = (at: Need, house: House) => Add | Refused | Promise<Add | Refused>

/** Function-typed members, not methods: parameters are then compared strictly, and a missing need does not compile. */
export interface Way<In extends object, At extends object, House> {
  readonly step: <Add extends object>(step: Step<At, Add, House>) => Way<In, At & Add, House>
  /** Goes on with another way's steps, which need no more than what is known by here. */
  readonly join: <Out extends object>(way: Way<At, Out, House>) => Way<In, At & Out, House>
  readonly run: (at: In, house: House) => Promise<At | Refused>
}

/** Told of every refusal, with all that was known when it happened. Audits, and undoes what was opened. */
export type OnRefused<House> = (at: object, refused: Refused, house: House) => Promise<void>

/** A refusal that a way inside this one has told already: it ends the way and is told no more. */
export class Told extends Refused {}

// The steps of a joined way run inside the outer way's own run, so one refusal is told once.
const stepsOf = Symbol('steps')
type AnyStep<House> = Step<object, object, House>

export function way<In extends object, House>(refused: OnRefused<House>): Way<In, In, House> {
  const make = (steps: readonly AnyStep<House>[]): Way<object, object, House> => {
    const self = {
      [stepsOf]: steps,
      step: (step: AnyStep<House>) => make([...steps, step]),
      join: (other: { [stepsOf]: readonly AnyStep<House>[] }) => make([...steps, ...other[stepsOf]]),
      run: (at: object, house: House) => walk(steps, at, house, refused),
    }
    return self as unknown as Way<object, object, House>
  }
  return make([]) as unknown as Way<In, In, House>
}

/** Steps that answer at once are not waited for: at a request door all of them do, for every request. */
function walk<House>(
  steps: readonly AnyStep<House>[],
  from: object,
  house: House,
  refused: OnRefused<House>,
): Promise<object> {
  const at = { ...from }
  for (let i = 0; i < steps.length; i++) {
    const added = attempt(steps[i] as AnyStep<House>, at, house)
    if (added instanceof Promise) return walkOn(added, steps.slice(i + 1), at, house, refused)
    if (added instanceof Refused) return turnedAway(at, added, house, refused)
    Object.assign(at, added)
  }
  return Promise.resolve(at)
}

async function walkOn<House>(
  waited: Promise<object>,
  steps: readonly AnyStep<House>[],
  at: object,
  house: House,
  refused: OnRefused<House>,
): Promise<object> {
  const added = await waited
  if (added instanceof Refused) return turnedAway(at, added, house, refused)
  return walk(steps, Object.assign(at, added), house, refused)
}

async function turnedAway<House>(
  at: object,
  why: Refused,
  house: House,
  refused: OnRefused<House>,
): Promise<Refused> {
  if (!(why instanceof Told)) await refused(at, why, house)
  return why
}

/** A step that throws refuses: an error of ours never opens anything, and is audited like any other refusal. */
function attempt<House>(step: AnyStep<House>, at: object, house: House): object | Promise<object> {
  try {
    const added = step(at, house)
    return added instanceof Promise ? added.catch(error => failed(step.name, error)) : added
  } catch (error) {
    return failed(step.name, error)
  }
}

function failed(step: string, error: unknown): Refused {
  if (error instanceof GatewayError) return new Refused(error.denial)
  const detail = error instanceof Error ? `${step}: ${error.name}: ${error.message}` : `${step} threw`
  return refuse('internal_error', detail)
}
