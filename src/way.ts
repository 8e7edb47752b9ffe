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

async function walk<House>(
  steps: readonly AnyStep<House>[],
  from: object,
  house: House,
  refused: OnRefused<House>,
): Promise<object> {
  let at = from
  for (const step of steps) {
    const added = await attempt(step, at, house)
    if (added instanceof Refused) {
      if (!(added instanceof Told)) await refused(at, added, house)
      return added
    }
    at = { ...at, ...added }
  }
  return at
}

/** A step that throws refuses: an error of ours never opens anything, and is audited like any other refusal. */
async function attempt<House>(step: AnyStep<House>, at: object, house: House): Promise<object> {
  try {
    return await step(at, house)
  } catch (error) {
    if (error instanceof GatewayError) return new Refused(error.denial)
    const detail =
      error instanceof Error ? `${step.name}: ${error.name}: ${error.message}` : `${step.name} threw`
    return refuse('internal_error', detail)
  }
}
