/** SSH's message numbers and reason codes (RFC 4250), and the messages that both sides of the relay build alike. Pure. */
import { type Field, message, type Reader } from '../../statement/sftp/fields.ts'

export const msg = {
  disconnect: 1,
  ignore: 2,
  unimplemented: 3,
  debug: 4,
  serviceRequest: 5,
  serviceAccept: 6,
  extInfo: 7,
  kexInit: 20,
  newKeys: 21,
  kexInitiate: 30,
  kexReply: 31,
  userauthRequest: 50,
  userauthFailure: 51,
  userauthSuccess: 52,
  userauthBanner: 53,
  /** PK_OK, PASSWD_CHANGEREQ and INFO_REQUEST share this number: the method that was asked with decides. */
  userauth60: 60,
  userauthInfoResponse: 61,
  globalRequest: 80,
  requestSuccess: 81,
  requestFailure: 82,
  channelOpen: 90,
  channelOpenConfirmation: 91,
  channelOpenFailure: 92,
  channelWindowAdjust: 93,
  channelData: 94,
  channelExtendedData: 95,
  channelEof: 96,
  channelClose: 97,
  channelRequest: 98,
  channelSuccess: 99,
  channelFailure: 100,
} as const

/** DISCONNECT reasons, RFC 4253 section 11.1. */
export const disconnectReason = {
  protocolError: 2,
  hostKeyNotVerifiable: 9,
  byApplication: 11,
  noMoreAuthMethods: 14,
  illegalUserName: 15,
} as const

/** CHANNEL_OPEN_FAILURE reasons, RFC 4254 section 5.1. */
export const openFailure = { prohibited: 1, connectFailed: 2, unknownType: 3, resourceShortage: 4 } as const

/** The one extended data type there is. */
export const stderr = 1

/** What we take in one data message. ssh2's transport refuses packets over 35,000 bytes. */
export const maxPacket = 32_768

export function channelRequest(
  channel: number,
  name: string,
  wantReply: boolean,
  ...fields: readonly Field[]
): Buffer {
  return message(msg.channelRequest, channel, name, wantReply, ...fields)
}

/** A message; one that carries much comes in two parts, so that its data need not be copied. */
export type Payload = Uint8Array | readonly [head: Uint8Array, data: Uint8Array]

export function channelData(channel: number, data: Uint8Array, extended: boolean): Payload {
  const head = extended
    ? message(msg.channelExtendedData, channel, stderr, data.length)
    : message(msg.channelData, channel, data.length)
  return [head, data]
}

/** Nothing may stand behind it: it would cost no window, and be held as long as the data is (attack 192). */
export function dataOf(fields: Reader): Buffer {
  const data = fields.bytes()
  fields.end()
  return data
}

export function channelOpenFailed(channel: number, reason: number, why: string): Buffer {
  return message(msg.channelOpenFailure, channel, reason, why, '')
}

/** The message in one piece. */
export function whole(payload: Payload): Uint8Array {
  return payload instanceof Uint8Array ? payload : Buffer.concat(payload)
}
