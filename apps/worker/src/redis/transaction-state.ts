/** MULTI and WATCH of one connection: what is queued, and which keys must not have changed. */
import { detach } from '@diststore/redis';

import { QUEUED_BYTES_MAX, QUEUED_COMMANDS_MAX } from './redis-limits.js';

/** `C`: a command, as whoever runs it knows it. */
export interface QueuedCommand<C> {
  readonly bound: C;
  readonly args: readonly Buffer[];
}

export interface WatchedKey {
  readonly key: Buffer;
  /** As it was at WATCH; 0 = absent. */
  readonly version: number;
}

export class TransactionState<C> {
  /** Between MULTI and EXEC. */
  isOpen = false;
  /** A command could not be queued: EXEC will refuse. */
  isBroken = false;
  private commands: QueuedCommand<C>[] = [];
  private bytes = 0;
  private readonly watches = new Map<string, WatchedKey>();

  get queued(): readonly QueuedCommand<C>[] {
    return this.commands;
  }

  get queuedBytes(): number {
    return this.bytes;
  }

  watched(): WatchedKey[] {
    return [...this.watches.values()];
  }

  get watchedCount(): number {
    return this.watches.size;
  }

  open(): void {
    this.isOpen = true;
  }

  /** False when the queue is full: nothing was queued. The arguments are kept, so they are copied. */
  enqueue(bound: C, args: readonly Buffer[]): boolean {
    const bytes = args.reduce((sum, { length }) => sum + length, 0);
    if (this.commands.length >= QUEUED_COMMANDS_MAX || this.bytes + bytes > QUEUED_BYTES_MAX) return false;
    this.commands.push({ bound, args: args.map(detach) });
    this.bytes += bytes;
    return true;
  }

  isWatched(key: Buffer): boolean {
    return this.watches.has(key.toString('latin1'));
  }

  /** A key that is watched already stays as it was then. */
  watch(key: Buffer, version: number): void {
    const name = key.toString('latin1');
    if (!this.watches.has(name)) this.watches.set(name, { key: detach(key), version });
  }

  unwatch(): void {
    this.watches.clear();
  }

  /** Forgets everything. */
  reset(): void {
    this.isOpen = false;
    this.isBroken = false;
    this.commands = [];
    this.bytes = 0;
    this.watches.clear();
  }
}
