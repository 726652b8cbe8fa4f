/**
 * A read-only map from ASCII names to values, looked up case-insensitively with the bytes a client sent. A lookup
 * allocates nothing and costs one pass over the name: a hash table with open addressing, at most half full.
 */
import { invariant } from '@diststore/base';

import { equalsIgnoringCase, foldAsciiCase } from './ascii.js';

interface Slot<T> {
  readonly name: string;
  readonly value: T;
}

export class NameIndex<T> {
  private readonly slots: (Slot<T> | undefined)[];
  private readonly nameBytesMax: number;

  /** REQUIRES: names are ASCII without capitals, and differ. */
  constructor(entries: Iterable<readonly [string, T]>) {
    const all = [...entries];
    let size = 2;
    while (size < all.length * 2) size *= 2;
    this.slots = new Array<Slot<T> | undefined>(size).fill(undefined);
    this.nameBytesMax = Math.max(0, ...all.map(([name]) => name.length));
    for (const [name, value] of all) {
      const bytes = Buffer.from(name);
      invariant(
        name === name.toLowerCase() && bytes.length === name.length,
        'a name is ASCII without capitals',
        { name },
      );
      invariant(this.get(bytes) === undefined, 'names differ', { name });
      let at = hash(bytes) & (size - 1);
      while (this.slots[at] !== undefined) at = (at + 1) & (size - 1);
      this.slots[at] = { name, value };
    }
  }

  get(name: Uint8Array): T | undefined {
    // Also bounds the cost of hashing what a client sends.
    if (name.length > this.nameBytesMax) return undefined;
    const mask = this.slots.length - 1;
    let at = hash(name) & mask;
    for (let slot = this.slots[at]; slot !== undefined; slot = this.slots[at]) {
      if (equalsIgnoringCase(name, slot.name)) return slot.value;
      at = (at + 1) & mask;
    }
    return undefined;
  }
}

function hash(name: Uint8Array): number {
  let h = name.length;
  for (let i = 0; i < name.length; i++) h = (Math.imul(h, 31) + foldAsciiCase(name[i] as number)) | 0;
  // The low bits choose the slot: let the high ones take part.
  return h ^ (h >>> 15);
}
