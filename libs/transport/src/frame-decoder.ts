/**
 * Turns what a socket delivers, in whatever pieces, back into frames. Knows no socket.
 *
 * Invariants:
 * - A payload is handed out only after its checksum was verified.
 * - Nothing is believed but what has been received: a peer that announces a long frame and sends little of it makes
 *   this hold at most twice what it sent, plus GROWTH_BYTES_MIN.
 * - A frame that spans chunks is copied at most three times in all, however small the pieces, and its checksum runs
 *   along with them, so that a large frame costs no long pause at its end.
 * - No input throws. After a problem nothing more is decoded.
 *
 * Ownership: a payload is either a view of the chunk it came in or memory of its own. In both cases it belongs to the
 * receiver and is never written again; but a small view keeps its whole chunk (64 KiB from Node's sockets) alive, so
 * who keeps one for long copies it.
 */
import { crc32 } from 'node:zlib';

import { FRAME_FORMAT, FRAME_HEADER_BYTES, payloadBytesMax } from './frame.js';

const EMPTY = Buffer.alloc(0);
/** First capacity for a frame that spans chunks, if it is that long. What Node's sockets deliver at once. */
const GROWTH_BYTES_MIN = 64 * 1024;

export class FrameDecoder {
  /** Of the frame that `next` answered last. */
  kind = 0;
  /** Why no more frames come, once there is a reason. Quotes numbers only, never the peer's bytes. */
  problem: string | undefined = undefined;

  private chunk: Buffer = EMPTY;
  private at = 0;
  /** A header that spans chunks. */
  private readonly header = Buffer.alloc(FRAME_HEADER_BYTES);
  private headerBytes = 0;
  /** The payload of a frame that spans chunks; its length is only what has been made room for. */
  private payload: Buffer | undefined = undefined;
  private payloadBytes = 0;
  private expectedBytes = 0;
  private expectedCrc = 0;
  private crc = 0;

  constructor(private readonly messageBytesMax: number) {}

  /**
   * Adds bytes. REQUIRES: `next` has answered undefined since the last call, and `chunk` is never written again.
   */
  push(chunk: Buffer): void {
    this.chunk = chunk;
    this.at = 0;
  }

  /** The payload of the next frame, with its kind in `kind`; undefined: more bytes are needed, or see `problem`. */
  next(): Buffer | undefined {
    if (this.problem !== undefined) return undefined;
    if (this.payload !== undefined) return this.fillPayload(this.payload);
    const headerWhole = this.headerBytes === 0 && this.chunk.length - this.at >= FRAME_HEADER_BYTES;
    if (headerWhole) {
      this.readHeader(this.chunk, this.at);
      this.at += FRAME_HEADER_BYTES;
    } else {
      if (!this.fillHeader()) return undefined;
      this.readHeader(this.header, 0);
      this.headerBytes = 0;
    }
    // Set by readHeader, which the compiler does not see.
    if ((this.problem as string | undefined) !== undefined) return undefined;
    if (headerWhole && this.chunk.length - this.at >= this.expectedBytes) return this.takeWhole();
    this.crc = headerWhole
      ? crc32(this.chunk.subarray(this.at - FRAME_HEADER_BYTES + 4, this.at))
      : crc32(this.header.subarray(4));
    this.payload = EMPTY;
    this.payloadBytes = 0;
    return this.fillPayload(this.payload);
  }

  private fillHeader(): boolean {
    const copied = this.chunk.copy(this.header, this.headerBytes, this.at);
    this.at += copied;
    this.headerBytes += copied;
    if (this.at === this.chunk.length) this.push(EMPTY);
    return this.headerBytes === FRAME_HEADER_BYTES;
  }

  private readHeader(bytes: Buffer, at: number): void {
    const format = bytes[at + 4];
    const kind = bytes[at + 5] ?? 0;
    const length = bytes.readUInt32BE(at + 8);
    const bytesMax = payloadBytesMax(kind, this.messageBytesMax);
    if (format !== FRAME_FORMAT) this.problem = `frame format ${format ?? 0} is not ${FRAME_FORMAT}`;
    else if (bytesMax === undefined) this.problem = `frame kind ${kind} is unknown`;
    else if (bytes.readUInt16BE(at + 6) !== 0) this.problem = 'the reserved bytes of a frame are not zero';
    else if (length > bytesMax)
      this.problem = `a frame of kind ${kind} announces ${length} bytes; at most ${bytesMax} are allowed`;
    this.kind = kind;
    this.expectedBytes = length;
    this.expectedCrc = bytes.readUInt32BE(at);
  }

  /** The usual case: the frame lies in the chunk as a whole. */
  private takeWhole(): Buffer | undefined {
    const end = this.at + this.expectedBytes;
    const covered = this.chunk.subarray(this.at - FRAME_HEADER_BYTES + 4, end);
    if (crc32(covered) !== this.expectedCrc) {
      this.noteCorrupt();
      return undefined;
    }
    const payload = this.chunk.subarray(this.at, end);
    this.at = end;
    return payload;
  }

  private fillPayload(payload: Buffer): Buffer | undefined {
    const end = Math.min(this.chunk.length, this.at + this.expectedBytes - this.payloadBytes);
    if (end > this.at) {
      const piece = this.chunk.subarray(this.at, end);
      const grown = this.withRoomFor(payload, piece.length);
      grown.set(piece, this.payloadBytes);
      this.payload = payload = grown;
      this.payloadBytes += piece.length;
      this.crc = crc32(piece, this.crc);
      this.at = end;
    }
    // What is left of the chunk belongs to the next frame; a chunk that is used up is let go.
    if (this.at === this.chunk.length) this.push(EMPTY);
    if (this.payloadBytes < this.expectedBytes) return undefined;
    this.payload = undefined;
    if (this.crc === this.expectedCrc) return payload;
    this.noteCorrupt();
    return undefined;
  }

  /** Doubles, so that the copying is linear; ends at exactly the announced length, so that nothing is wasted. */
  private withRoomFor(payload: Buffer, moreBytes: number): Buffer {
    const needed = this.payloadBytes + moreBytes;
    if (needed <= payload.length) return payload;
    const capacity = Math.max(needed, payload.length * 2, GROWTH_BYTES_MIN);
    const grown = Buffer.allocUnsafe(Math.min(this.expectedBytes, capacity));
    payload.copy(grown, 0, 0, this.payloadBytes);
    return grown;
  }

  private noteCorrupt(): void {
    this.problem = `the checksum of a frame of ${this.expectedBytes} bytes does not match`;
  }
}
