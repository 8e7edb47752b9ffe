/** A command's end with a message for a person and an exit code. `main.ts` prints it; nothing else exits. */
export class Stop extends Error {
  readonly exitCode: number
  /** With --json this is printed in place of the message. */
  readonly answer: object | undefined
  constructor(exitCode: number, message: string, answer?: object) {
    super(message)
    this.name = 'Stop'
    this.exitCode = exitCode
    this.answer = answer
  }
}
