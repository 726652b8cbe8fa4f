/**
 * The messages of a channel of requests. Big endian.
 *
 *     offset  bytes
 *          0      1  kind, see MESSAGE
 *          1      1  zero; a later version may use it
 *          2      6  number of the request, chosen by the requester, from 1; 0 in messages about no request
 *          8      n  body: of a request or an answer its bytes, of the others nothing
 *
 * 48 bits of number: at a million requests per second they last for nine years, so none is ever used twice.
 */

/** On the wire, never renumber. */
export const MESSAGE = {
  /** Requester to server. */
  request: 1,
  /** Server to requester, as are the next three. */
  answer: 2,
  /** The request was not begun and never will be. */
  declined: 3,
  /** The request was served, but its answer cannot be delivered. */
  answerLost: 4,
  /** Send no more requests: those that come until `lastRequest` are still served. */
  lastOrders: 5,
  /** Requester to server: what was asked for by `lastOrders`; no request follows. */
  lastRequest: 6,
} as const;
export type MessageKind = (typeof MESSAGE)[keyof typeof MESSAGE];

export const MESSAGE_HEADER_BYTES = 8;
export const REQUEST_NUMBER_MAX = 2 ** 48 - 1;

export function messageHeader(kind: MessageKind, requestNumber: number): Buffer {
  const header = Buffer.allocUnsafe(MESSAGE_HEADER_BYTES);
  header[0] = kind;
  header[1] = 0;
  header.writeUIntBE(requestNumber, 2, 6);
  return header;
}

/** Kind of a message; 0: it is none. */
export function kindOfMessage(message: Buffer): MessageKind | 0 {
  const kind = message[0] ?? 0;
  if (message.length < MESSAGE_HEADER_BYTES || kind < 1 || kind > MESSAGE.lastRequest || message[1] !== 0)
    return 0;
  const hasBody = kind === MESSAGE.request || kind === MESSAGE.answer;
  return hasBody || message.length === MESSAGE_HEADER_BYTES ? (kind as MessageKind) : 0;
}

/** REQUIRES: `kindOfMessage` is not 0. */
export function requestNumberOf(message: Buffer): number {
  return message.readUIntBE(2, 6);
}

/** A view. REQUIRES: `kindOfMessage` is not 0. */
export function bodyOf(message: Buffer): Buffer {
  return message.subarray(MESSAGE_HEADER_BYTES);
}
