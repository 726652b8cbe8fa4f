/**
 * Replies in the order of their commands, although some are known later than those behind them.
 *
 *   out:  replies ready to be sent     slots:  [reply to come | bytes behind it] [reply to come | bytes behind it] …
 *
 * While nothing is to come, replies are written straight to `out`, and nothing is allocated. Behind a reply that is to
 * come they gather as bytes; when it is known, it and all that waited only for it move to `out`.
 */
import { ReplyEncoder, type RespVersion } from '@diststore/redis';

/** The place of a reply that is to come. */
export interface Slot {
  /** Writes the reply; undefined until it is known. */
  write: ((out: ReplyEncoder) => void) | undefined;
  /** Encoded replies that follow it. */
  behind: readonly Buffer[];
}

const NOTHING: readonly Buffer[] = [];

export class ReplyQueue {
  readonly out = new ReplyEncoder();
  private readonly behind = new ReplyEncoder();
  private slots: Slot[] = [];
  /** The first of `slots` that is still waited for. */
  private head = 0;
  private behindBytes = 0;

  get version(): RespVersion {
    return this.out.version;
  }

  /** REQUIRES: nothing is to come. */
  set version(version: RespVersion) {
    this.out.version = version;
    this.behind.version = version;
  }

  /** How many replies are to come, or wait for one that is. */
  get waiting(): number {
    return this.slots.length - this.head;
  }

  /** Encoded and not taken, of replies that may be sent and of those that may not yet. */
  get byteLength(): number {
    return this.out.byteLength + this.behind.byteLength + this.behindBytes;
  }

  /** Where the next reply goes, if it is known now. */
  get tail(): ReplyEncoder {
    return this.slots.length === 0 ? this.out : this.behind;
  }

  /** Keeps a place for the next reply. */
  defer(): Slot {
    this.sealBehind();
    const slot: Slot = { write: undefined, behind: NOTHING };
    this.slots.push(slot);
    return slot;
  }

  /** Fills the place. */
  complete(slot: Slot, write: (out: ReplyEncoder) => void): void {
    slot.write = write;
    for (let first = this.slots[this.head]; first?.write !== undefined; first = this.slots[this.head]) {
      if (this.head === this.slots.length - 1) this.sealBehind();
      first.write(this.out);
      for (const bytes of first.behind) {
        this.out.raw(bytes);
        this.behindBytes -= bytes.length;
      }
      this.head++;
    }
    if (this.head === this.slots.length) {
      this.slots = [];
      this.head = 0;
    } else if (this.head > COMPACT_SLOTS_MIN && this.head * 2 > this.slots.length) {
      this.slots = this.slots.slice(this.head);
      this.head = 0;
    }
  }

  /** Gives what was written behind the last place to that place. */
  private sealBehind(): void {
    const last = this.slots.at(-1);
    if (last === undefined || this.behind.byteLength === 0) return;
    const bytes = this.behind.take();
    last.behind = last.behind.length === 0 ? bytes : [...last.behind, ...bytes];
    for (const { length } of bytes) this.behindBytes += length;
  }
}

/** Filled places are dropped from the list once they are so many, and most of it. */
const COMPACT_SLOTS_MIN = 64;
