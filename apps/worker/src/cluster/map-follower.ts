/**
 * Keeps this worker's cluster map current: asks the master for news and waits with it for the next (long poll).
 *
 * The map is for finding the way and may be old at any time; whoever is asked in error says so. It is kept on disk as
 * well, so that a worker that starts while the master is away still finds the others.
 */
import { StoreError } from '@diststore/base';
import type { MapDelta } from '@diststore/cluster';
import { ClusterMap, decodeDelta, encodeDelta } from '@diststore/cluster';
import type { Log } from '@diststore/process';
import type { Storage } from '@diststore/storage';
import { MAP_KEY, openJson, sealJson } from '@diststore/storage';
import { request } from 'undici';

export interface MapFollowerOptions {
  readonly masterUrl: string;
  readonly storage: Storage;
  readonly log: Log;
  /** Called with each newer map, before it is used for routing. What it throws is logged, and the map is used. */
  readonly onMap: (map: ClusterMap) => void;
}

/** The master answers a poll without news after this. */
const POLL_MS = 25_000;
/** Beyond the poll: the master is gone. */
const POLL_MARGIN_MS = 5000;
const REFRESH_TIMEOUT_MS = 2000;
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 2000;

export class MapFollower {
  private map: ClusterMap | undefined;
  private readonly closing = new AbortController();
  private following: Promise<void> = Promise.resolve();
  private refreshing: Promise<void> | undefined;
  private adopting: Promise<void> = Promise.resolve();

  constructor(private readonly options: MapFollowerOptions) {}

  /** Takes up the map that was stored last, if there is one, and calls `onMap` with it. */
  async restore(): Promise<void> {
    const stored = await this.options.storage.get(MAP_KEY);
    if (stored !== undefined) await this.adopt(decodeDelta(openJson(MAP_KEY, stored)));
  }

  /** Undefined until the master was reached for the first time. */
  get current(): ClusterMap | undefined {
    return this.map;
  }

  /** @throws StoreError retry-later: nothing has been heard from the master yet. */
  required(): ClusterMap {
    if (this.map !== undefined) return this.map;
    throw new StoreError(
      'retry-later',
      'This worker has not heard from its master yet, and so knows no cluster.',
    );
  }

  start(): void {
    this.following = this.follow();
  }

  async stop(): Promise<void> {
    this.closing.abort();
    await this.following;
    await this.refreshing;
    await this.adopting;
  }

  /**
   * Asks for news now; calls at the same time share one question. Resolves when the answer is adopted, and also when
   * there was none: the map is then as old as it was.
   */
  refresh(): Promise<void> {
    this.refreshing ??= this.ask(0, REFRESH_TIMEOUT_MS)
      .catch(() => undefined)
      .finally(() => (this.refreshing = undefined));
    return this.refreshing;
  }

  private async follow(): Promise<void> {
    let retryMs = RETRY_MS_MIN;
    while (!this.closing.signal.aborted) {
      try {
        await this.ask(POLL_MS, POLL_MS + POLL_MARGIN_MS);
        retryMs = RETRY_MS_MIN;
      } catch {
        // The line to the master (master-link.ts) reports that it is away.
        await pause(retryMs * (0.5 + Math.random() / 2), this.closing.signal);
        retryMs = Math.min(retryMs * 2, RETRY_MS_MAX);
      }
    }
  }

  private async ask(waitMs: number, timeoutMs: number): Promise<void> {
    const url = new URL('/v1/map', this.options.masterUrl);
    const gen = this.map?.generation;
    url.search = `since=${this.map?.version ?? 0}&waitMs=${waitMs}${gen === undefined ? '' : `&gen=${gen}`}`;
    const signal = AbortSignal.any([this.closing.signal, AbortSignal.timeout(timeoutMs)]);
    const answer = await request(url, { signal, headersTimeout: timeoutMs, bodyTimeout: timeoutMs });
    const json: unknown = await answer.body.json();
    if (answer.statusCode !== 200)
      throw new StoreError('retry-later', `The master answered ${answer.statusCode}.`);
    await this.adopt(decodeDelta(json));
  }

  /**
   * Takes up news. One at a time, so that each begins with what the one before has left.
   * @throws StoreError bad-request: the news is refused.
   */
  adopt(delta: MapDelta): Promise<void> {
    const turn = this.adopting.then(() => this.adoptNow(delta));
    this.adopting = turn.catch(() => undefined);
    return turn;
  }

  private async adoptNow(delta: MapDelta): Promise<void> {
    const before = supersedes(delta, this.map) ? undefined : this.map;
    const applied = before === undefined ? ClusterMap.from(delta) : before.apply(delta);
    if (applied.answer === 'gap') return;
    if (applied.answer === 'refused') {
      const reason = `The cluster map from ${this.options.masterUrl} is refused: ${applied.reason}`;
      this.options.log.error(reason);
      throw new StoreError('bad-request', reason);
    }
    const { map } = applied;
    if (before !== undefined && map.version === before.version) return;
    const value = sealJson(MAP_KEY, encodeDelta(map.deltaSince(0)));
    await this.options.storage.write([{ type: 'put', key: MAP_KEY, value }]);
    try {
      this.options.onMap(map);
    } catch (error) {
      this.options.log.error(`Map ${map.version}: ${error instanceof Error ? error.message : String(error)}`);
    }
    this.map = map;
  }
}

/**
 * Whether the delta is a whole map of a later generation. The one there is then comes from a history that was lost and
 * rebuilt, and the versions of the two cannot be compared: it is replaced, not brought up to date.
 */
function supersedes({ since, partitions }: MapDelta, map: ClusterMap | undefined): boolean {
  const known = map?.generation;
  if (since !== 0 || known === undefined) return false;
  const generations = partitions.flatMap(({ configuration }) => configuration?.gen ?? []);
  return generations.length > 0 && generations.every((gen) => gen > known);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
