import { describe, expect, it } from '@jest/globals';
import { StoreError } from '@diststore/base';

import { ChangeHistory, type HistoryBounds } from './change-history.js';
import type { RecordChange, WatchNews } from './metadata-store.js';

const COMPACTED = { value: { type: 'compacted' }, done: false };
const ENDED = { value: undefined, done: true };

function change(name: string, value = ''): RecordChange {
  return { name, record: { name, value, createRevision: 1, modRevision: 1, lease: undefined } };
}

function commit(revision: number, ...changes: RecordChange[]): IteratorResult<WatchNews> {
  return { value: { type: 'changes', revision, changes }, done: false };
}

/** A history at revision 10 that knows 11 to `newest`. */
function history(newest: number, bounds?: HistoryBounds): ChangeHistory {
  const made = new ChangeHistory(10, bounds);
  for (let revision = 11; revision <= newest; revision += 1) made.append(revision, [change(`n/${revision}`)]);
  return made;
}

describe('ChangeHistory', () => {
  const { signal } = new AbortController();

  it('knows nothing from before it began', async () => {
    expect(await history(12).follow('', 10, signal).next()).toEqual(COMPACTED);
    expect(await history(12).follow('', 11, signal).next()).toEqual(commit(11, change('n/11')));
  });

  it('keeps so many commits, and the oldest goes first', async () => {
    const bounded = history(15, { commitsMax: 3 });
    expect(await bounded.follow('', 12, signal).next()).toEqual(COMPACTED);
    expect(await bounded.follow('', 13, signal).next()).toEqual(commit(13, change('n/13')));
  });

  it('keeps so many bytes of names and values', async () => {
    const bounded = history(12, { bytesMax: 100 });
    bounded.append(13, [change('large', 'x'.repeat(91))]);
    expect(await bounded.follow('', 11, signal).next()).toEqual(COMPACTED);
    expect(await bounded.follow('', 12, signal).next()).toEqual(commit(12, change('n/12')));
    bounded.append(14, [change('too large', 'x'.repeat(100))]);
    expect(await bounded.follow('', 14, signal).next()).toEqual(COMPACTED);
    const live = bounded.follow('', 15, signal).next();
    bounded.append(15, [change('a')]);
    expect(await live).toEqual(commit(15, change('a')));
  });

  it('tells a watcher that it overtakes, rather than leave something out', async () => {
    const bounded = history(12, { commitsMax: 2 });
    const slow = bounded.follow('n/', 11, signal);
    expect(await slow.next()).toEqual(commit(11, change('n/11')));
    bounded.append(13, [change('n/13')]);
    bounded.append(14, [change('n/14')]);
    expect(await slow.next()).toEqual(COMPACTED);
    expect(await slow.next()).toEqual(ENDED);
  });

  it('does not let a watcher lag that has seen all there is of its prefix', async () => {
    const bounded = history(12, { commitsMax: 2 });
    const idle = bounded.follow('other/', 13, signal);
    const next = idle.next();
    for (let revision = 13; revision <= 30; revision += 1) {
      bounded.append(revision, [change('n/x')]);
      await Promise.resolve();
    }
    bounded.append(31, [change('other/1')]);
    expect(await next).toEqual(commit(31, change('other/1')));
  });

  it('refuses one watcher too many, and has room again when one has ended', async () => {
    const bounded = history(11, { watchersMax: 2 });
    const stop = new AbortController();
    const [first, second] = [bounded.follow('', 11, stop.signal), bounded.follow('', 12, signal)];
    await first.next();
    void second.next();
    await expect(bounded.follow('', 11, signal).next()).rejects.toMatchObject({ code: 'too-many-requests' });
    stop.abort();
    expect(await first.next()).toEqual(ENDED);
    expect(await bounded.follow('', 11, signal).next()).toEqual(commit(11, change('n/11')));
  });

  it('ends its watchers with the first error, those that come later too', async () => {
    const ended = history(11);
    const waiting = ended.follow('', 12, signal).next();
    ended.end(new StoreError('store-failed', 'first'));
    ended.end(new StoreError('store-closed', 'second'));
    await expect(waiting).rejects.toThrow('first');
    await expect(ended.follow('', 11, signal).next()).rejects.toThrow('first');
  });

  it('accepts no gap', () => {
    expect(() => history(11).append(13, [])).toThrow('no gaps');
  });
});
