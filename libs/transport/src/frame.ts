/**
 * The unit on the wire: one frame, the same in both directions. Big endian.
 *
 *     offset  bytes
 *          0      4  CRC-32 (IEEE, as in zlib) of everything behind it: bytes 4 to the end of the payload
 *          4      1  format of this table: 1
 *          5      1  kind, see FRAME
 *          6      2  zero; a later format may use them
 *          8      4  payload bytes
 *         12      n  payload
 *
 * The checksum stands first, so that what it covers is one piece and takes one pass. Format and zeros stand before
 * the length, so that random bytes are known for what they are before a length is believed.
 *
 * Ownership: encoders write into memory that the caller names, and keep nothing.
 */
import { crc32 } from 'node:zlib';

/** On the wire, never renumber. 5 is kept for the proof of a shared secret: see hello.ts. */
export const FRAME = {
  /** Payload: a message of the channel. */
  message: 1,
  /** "I am here". No payload, no answer: each side sends its own. */
  ping: 2,
  /** The last frame. Payload: why, as UTF-8 text; empty for an orderly close. */
  goodbye: 3,
  /** The last frame, from the dialling side, which does not accept who answered. Payload: why, as UTF-8 text. */
  refusal: 4,
} as const;
export type FrameKind = (typeof FRAME)[keyof typeof FRAME];

export const FRAME_FORMAT = 1;
export const FRAME_HEADER_BYTES = 12;
/** Of the text in a goodbye or refusal. Longer ones are cut when sent, and malformed when received. */
export const REASON_BYTES_MAX = 1024;

/** The longest payload a frame of this kind may have; undefined: no such kind. */
export function payloadBytesMax(kind: number, messageBytesMax: number): number | undefined {
  switch (kind) {
    case FRAME.message:
      return messageBytesMax;
    case FRAME.ping:
      return 0;
    case FRAME.goodbye:
    case FRAME.refusal:
      return REASON_BYTES_MAX;
    default:
      return undefined;
  }
}

/** Writes a header at `offset`, but for its checksum. */
export function writeFrameHeader(
  target: Buffer,
  offset: number,
  kind: FrameKind,
  payloadBytes: number,
): void {
  target[offset + 4] = FRAME_FORMAT;
  target[offset + 5] = kind;
  target[offset + 6] = 0;
  target[offset + 7] = 0;
  target.writeUInt32BE(payloadBytes, offset + 8);
}

/** Completes the header at `offset` of a frame whose payload follows in the same memory and ends at `end`. */
export function sealFrame(target: Buffer, offset: number, end: number): void {
  target.writeUInt32BE(crc32(target.subarray(offset + 4, end)), offset);
}

/** Completes the header at `offset` of a frame whose payload lies elsewhere, in `pieces`. */
export function sealFrameOver(target: Buffer, offset: number, pieces: readonly Buffer[]): void {
  let crc = crc32(target.subarray(offset + 4, offset + FRAME_HEADER_BYTES));
  for (const piece of pieces) crc = crc32(piece, crc);
  target.writeUInt32BE(crc, offset);
}

/** A whole frame in memory of its own: for the few that are no messages. `reason` is cut to what fits. */
export function controlFrame(kind: FrameKind, reason = ''): Buffer {
  const payload = Buffer.from(reason).subarray(0, kind === FRAME.ping ? 0 : REASON_BYTES_MAX);
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  payload.copy(frame, FRAME_HEADER_BYTES);
  writeFrameHeader(frame, 0, kind, payload.length);
  sealFrame(frame, 0, frame.length);
  return frame;
}
