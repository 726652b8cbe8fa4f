/**
 * One sequence in key order out of many, each of which is in key order and comes in pages: a merge with a heap of the
 * sources' first entries. What comes first is known only when every source has shown its first entry, so the next page
 * of a source is fetched when half of the last one is used up, and several sources are asked at once.
 *
 * Invariants: keys rise strictly, if no key is in two sources; at most `pageEntries` times 1.5 entries of a source are
 * held; at most `fetchesMax` pages are on their way, and one of each source. What a source gains in front of where the
 * merge has got to is not seen, and what it gains behind is.
 */
export interface Keyed {
  readonly key: Buffer;
}

export interface SourcePage<Entry> {
  readonly entries: readonly Entry[];
  /** Where the next page begins; undefined: this was the last. */
  readonly next: Buffer | undefined;
}

/** The page of at most `limit` entries that begins at `from`. Pages may be shorter, and empty, before the end. */
export type Source<Entry> = (from: Buffer, limit: number) => Promise<SourcePage<Entry>>;

export interface MergeOptions {
  readonly from: Buffer;
  /** Entries that one page is asked for. At least 1. */
  readonly pageEntries: number;
  /** Pages that are asked for at the same time. At least 1. */
  readonly fetchesMax: number;
  /** Entries that are handed on together at most. */
  readonly runEntriesMax: number;
}

/** The entries in key order, in runs that are never empty. What a source rejects with is thrown, and ends it. */
export async function* mergeInKeyOrder<Entry extends Keyed>(
  sources: readonly Source<Entry>[],
  options: MergeOptions,
): AsyncGenerator<readonly Entry[], void> {
  const turns = new Turns(options.fetchesMax);
  const feeds = sources.map((source) => new Feed(source, options, turns));
  await Promise.all(feeds.map((feed) => feed.fill()));
  const heap = new FeedHeap(feeds.filter((feed) => feed.head !== undefined));
  let run: Entry[] = [];
  for (;;) {
    const feed = heap.first;
    const entry = feed?.head;
    if (feed === undefined || entry === undefined) break;
    run.push(entry);
    const mustWait = feed.advance();
    if (run.length >= options.runEntriesMax || (mustWait && run.length > 0)) {
      yield run;
      run = [];
    }
    if (mustWait) await feed.fill();
    heap.settleFirst();
  }
  if (run.length > 0) yield run;
}

/** One source, with what has been fetched of it. */
class Feed<Entry extends Keyed> {
  private entries: readonly Entry[] = [];
  private at = 0;
  private next: Buffer | undefined;
  private coming: Promise<SourcePage<Entry>> | undefined;

  constructor(
    private readonly source: Source<Entry>,
    private readonly options: MergeOptions,
    private readonly turns: Turns,
  ) {
    this.next = options.from;
  }

  get head(): Entry | undefined {
    return this.entries[this.at];
  }

  /** Leaves the head. @returns whether `fill` has to be called before there is another. */
  advance(): boolean {
    this.at += 1;
    if (this.next !== undefined && this.at * 2 >= this.entries.length) void this.fetch();
    return this.at >= this.entries.length && this.next !== undefined;
  }

  /** Waits until there is a head, or the source has ended. REQUIRES: there is no head. */
  async fill(): Promise<void> {
    while (this.head === undefined && this.next !== undefined) {
      const { entries, next } = await this.fetch();
      this.coming = undefined;
      this.entries = entries;
      this.at = 0;
      this.next = next;
    }
  }

  private fetch(): Promise<SourcePage<Entry>> {
    if (this.coming === undefined) {
      const from = this.next ?? this.options.from;
      this.coming = this.turns.take(() => this.source(from, this.options.pageEntries));
      // Fetched ahead, it may fail before anybody waits for it. Whoever does is told.
      this.coming.catch(() => undefined);
    }
    return this.coming;
  }
}

/** A binary heap of feeds by their heads. */
class FeedHeap<Entry extends Keyed> {
  constructor(private readonly feeds: Feed<Entry>[]) {
    for (let i = (feeds.length >> 1) - 1; i >= 0; i -= 1) this.sink(i);
  }

  get first(): Feed<Entry> | undefined {
    return this.feeds[0];
  }

  /** Puts the first feed, whose head has changed, where it belongs, or takes it out when it has none. */
  settleFirst(): void {
    if (this.feeds[0]?.head === undefined) {
      const last = this.feeds.pop();
      if (this.feeds.length === 0 || last === undefined) return;
      this.feeds[0] = last;
    }
    this.sink(0);
  }

  private sink(from: number): void {
    for (let at = from; ;) {
      const left = 2 * at + 1;
      const child = this.isBefore(left + 1, left) ? left + 1 : left;
      if (!this.isBefore(child, at)) return;
      [this.feeds[at], this.feeds[child]] = [this.feeds[child] as Feed<Entry>, this.feeds[at] as Feed<Entry>];
      at = child;
    }
  }

  private isBefore(a: number, b: number): boolean {
    const [left, right] = [this.feeds[a]?.head, this.feeds[b]?.head];
    return left !== undefined && right !== undefined && left.key.compare(right.key) < 0;
  }
}

/** Lets at most `max` pieces of work go on at the same time; the others wait in order. */
class Turns {
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(max: number) {
    this.free = max;
  }

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next === undefined) this.free += 1;
      else next();
    }
  }
}
