/**
 * The newest commits, and those who follow them. A watcher is nothing but a position, the next revision it wants, so a
 * thousand watchers cost a thousand numbers, none of them can be sent a change twice or out of order, and a slow one
 * holds nobody up: when the history has moved past its position it is told `compacted`.
 *
 *     oldest ▼                    newest ▼
 *     ┌──────┬──────┬──────┬──────┬──────┐
 *     │  41  │  42  │  43  │  44  │  45  │ ◄── append(46); past a bound, 41 goes
 *     └──────┴──────┴──────┴──────┴──────┘
 *       ▲ 40: compacted      ▲ 44: reads on     ▲ 46: waits
 *
 * Invariant: it holds every revision from `oldest` to `newest`.
 */
import { ConditionVariable, invariant, StoreError } from '@diststore/base';

import { HISTORY_BYTES_MAX, HISTORY_COMMITS_MAX, WATCHERS_MAX } from './limits.js';
import type { RecordChange, WatchNews } from './metadata-store.js';
import { sizeOf } from './record-index.js';

export interface HistoryBounds {
  readonly commitsMax?: number;
  readonly bytesMax?: number;
  readonly watchersMax?: number;
}

export class ChangeHistory {
  private readonly commits = new Map<number, readonly RecordChange[]>();
  private readonly news = new ConditionVariable();
  private readonly bounds: Required<HistoryBounds>;
  private bytes = 0;
  private watchers = 0;
  private ended: Error | undefined;

  /** @param newest the store's revision; what came before it is not known here. */
  constructor(
    private newest: number,
    { commitsMax, bytesMax, watchersMax }: HistoryBounds = {},
  ) {
    this.bounds = {
      commitsMax: commitsMax ?? HISTORY_COMMITS_MAX,
      bytesMax: bytesMax ?? HISTORY_BYTES_MAX,
      watchersMax: watchersMax ?? WATCHERS_MAX,
    };
  }

  private get oldest(): number {
    return this.newest - this.commits.size + 1;
  }

  /** The next commit, for all who wait for it. REQUIRES: `revision` is the next one. */
  append(revision: number, changes: readonly RecordChange[]): void {
    invariant(revision === this.newest + 1, 'the history has no gaps', { revision, newest: this.newest });
    this.newest = revision;
    this.commits.set(revision, changes);
    this.bytes += bytesOf(changes);
    const { commitsMax, bytesMax } = this.bounds;
    while (this.commits.size > commitsMax || this.bytes > bytesMax) this.forgetOldest();
    this.news.wake();
  }

  /** Ends every watch, now and from now on, with `error`. Only the first counts. */
  end(error: Error): void {
    this.ended ??= error;
    this.news.wake();
  }

  /** See MetadataStore.watch. */
  async *follow(
    prefix: string,
    fromRevision: number,
    signal: AbortSignal,
  ): AsyncGenerator<WatchNews, void, undefined> {
    const { watchersMax } = this.bounds;
    if (this.watchers >= watchersMax) {
      throw new StoreError('too-many-requests', `There are ${watchersMax} watchers already.`);
    }
    this.watchers += 1;
    try {
      // Every turn looks at everything anew: all may have changed while the watcher was not asked for more.
      for (let next = fromRevision; ;) {
        if (signal.aborted) return;
        if (this.ended !== undefined) throw this.ended;
        if (next < this.oldest) {
          yield { type: 'compacted' };
          return;
        }
        if (next > this.newest) {
          await this.news.until(() => next <= this.newest || this.ended !== undefined, signal);
          continue;
        }
        const revision = next;
        const changes = (this.commits.get(revision) ?? []).filter(({ name }) => name.startsWith(prefix));
        next += 1;
        if (changes.length > 0) yield { type: 'changes', revision, changes };
      }
    } finally {
      this.watchers -= 1;
    }
  }

  private forgetOldest(): void {
    const { oldest } = this;
    this.bytes -= bytesOf(this.commits.get(oldest) ?? []);
    this.commits.delete(oldest);
    invariant(this.bytes >= 0, 'the bytes of the history never go negative', { bytes: this.bytes });
  }
}

function bytesOf(changes: readonly RecordChange[]): number {
  let bytes = 0;
  for (const { name, record } of changes) bytes += record === undefined ? name.length : sizeOf(record);
  return bytes;
}
