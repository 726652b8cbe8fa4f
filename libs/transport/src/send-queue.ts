/**
 * What a connection has accepted and not yet written: frames, ready for the socket.
 *
 *          released            handedOver              accepted
 *     written  |  being written    |      waiting          |        positions in the stream of bytes
 *
 * Positions count the bytes of the connection since its start. A message is known by where its frame ends; the peer
 * acts on whole frames only, so one that ends beyond `handedOver` has certainly not had any effect.
 *
 * Small messages are copied into one buffer as they come, so that everything sent in one turn of the event loop
 * leaves in one write. Large ones are not copied; each is a segment of its own. Segments end where frames end.
 *
 * Ownership: the caller's buffers belong to the queue until they are written or abandoned.
 * Not for deciding how much is too much: the connection refuses what would pass its bound.
 */
import { FRAME_HEADER_BYTES, sealFrame, sealFrameOver, writeFrameHeader } from './frame.js';
import type { FrameKind } from './frame.js';

/** What one buffer of small frames holds. A write of this size costs little per byte, and an idle connection none. */
const RUN_BYTES_MAX = 64 * 1024;
/** Messages up to this size are copied: below it, a copy costs less than one more buffer in a write. */
const COPIED_BYTES_MAX = 8 * 1024;

interface Segment {
  readonly buffers: readonly Buffer[];
  readonly bytes: number;
}

export class SendQueue {
  private acceptedAt = 0;
  private handedOverAt = 0;
  private releasedAt = 0;
  private segments: Segment[] = [];
  /** Holds runs of small frames; [runStart, runEnd) is not yet a segment. */
  private run: Buffer | undefined = undefined;
  private runStart = 0;
  private runEnd = 0;

  /** Accepted and not written, headers included. */
  get bytes(): number {
    return this.acceptedAt - this.releasedAt;
  }

  /** Up to where the bytes were given to the kernel, or to Node for it. */
  get handedOver(): number {
    return this.handedOverAt;
  }

  get hasWaiting(): boolean {
    return this.acceptedAt > this.handedOverAt;
  }

  /**
   * Accepts one frame.
   * @returns the position of its end.
   */
  push(kind: FrameKind, payload: readonly Buffer[], payloadBytes: number): number {
    if (payloadBytes <= COPIED_BYTES_MAX) this.copyIn(kind, payload, payloadBytes);
    else this.refer(kind, payload, payloadBytes);
    this.acceptedAt += FRAME_HEADER_BYTES + payloadBytes;
    return this.acceptedAt;
  }

  /** Accepts a frame that is whole already, and may be shared. */
  pushWhole(frame: Buffer): void {
    this.endRun();
    this.segments.push({ buffers: [frame], bytes: frame.length });
    this.acceptedAt += frame.length;
  }

  /**
   * What to write next: whole frames in order until they come to `bytesMin`, or everything. Counts as handed over.
   */
  take(bytesMin: number): Buffer[] {
    this.endRun();
    const buffers: Buffer[] = [];
    let bytes = 0;
    let count = 0;
    for (const segment of this.segments) {
      if (bytes >= bytesMin) break;
      for (const buffer of segment.buffers) if (buffer.length > 0) buffers.push(buffer);
      bytes += segment.bytes;
      count++;
    }
    if (count === this.segments.length) this.segments = [];
    else this.segments.splice(0, count);
    this.handedOverAt += bytes;
    return buffers;
  }

  /** Everything that was taken is written: its memory is free again. */
  release(): void {
    this.releasedAt = this.handedOverAt;
    // Nobody refers to the run any more, so it may be filled from its start.
    if (this.bytes === 0) this.runStart = this.runEnd = 0;
  }

  /** Lets go of the memory that an empty queue keeps for the next message. */
  shrink(): void {
    if (this.bytes === 0) this.run = undefined;
  }

  /** Forgets what waits. Positions stay true. */
  abandon(): void {
    this.segments = [];
    this.run = undefined;
    this.runStart = this.runEnd = 0;
  }

  private copyIn(kind: FrameKind, payload: readonly Buffer[], payloadBytes: number): void {
    const run = this.runWithRoomFor(FRAME_HEADER_BYTES + payloadBytes);
    const start = this.runEnd;
    writeFrameHeader(run, start, kind, payloadBytes);
    let at = start + FRAME_HEADER_BYTES;
    for (const piece of payload) {
      run.set(piece, at);
      at += piece.length;
    }
    sealFrame(run, start, at);
    this.runEnd = at;
  }

  private refer(kind: FrameKind, payload: readonly Buffer[], payloadBytes: number): void {
    this.endRun();
    const run = this.runWithRoomFor(FRAME_HEADER_BYTES);
    const start = this.runEnd;
    writeFrameHeader(run, start, kind, payloadBytes);
    sealFrameOver(run, start, payload);
    this.runStart = this.runEnd = start + FRAME_HEADER_BYTES;
    const header = run.subarray(start, this.runEnd);
    this.segments.push({ buffers: [header, ...payload], bytes: FRAME_HEADER_BYTES + payloadBytes });
  }

  private runWithRoomFor(bytes: number): Buffer {
    if (this.run !== undefined && this.runEnd + bytes <= RUN_BYTES_MAX) return this.run;
    this.endRun();
    this.runStart = this.runEnd = 0;
    return (this.run = Buffer.allocUnsafeSlow(RUN_BYTES_MAX));
  }

  private endRun(): void {
    if (this.run === undefined || this.runEnd === this.runStart) return;
    const buffer = this.run.subarray(this.runStart, this.runEnd);
    this.segments.push({ buffers: [buffer], bytes: buffer.length });
    this.runStart = this.runEnd;
  }
}
