/** What keeps a gateway from starting and is no defect of ours: the message says what an operator should do about it. */
export class Unfit extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'Unfit'
  }
}

/** The configuration is right, but somebody else holds what it names. */
export class Taken extends Unfit {}
