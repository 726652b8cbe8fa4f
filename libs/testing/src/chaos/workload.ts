/**
 * Clients that read and write a few keys through every worker, and write down what they are told.
 *
 * Each value is a number that is never used again, so a value names its write. Keys are used for a while and then left
 * for new ones: what a key's history can explain is searched for, and short histories are searched to the end.
 */
import { eventually } from '../eventually.js';
import type { HttpClient } from '../http-client.js';
import type { SeededRandom } from '../simulation/random.js';
import type { History, Recorded } from './history.js';

export interface WorkloadOptions {
  readonly history: History;
  readonly random: SeededRandom;
  /** Where worker i is asked; a worker may be down. */
  readonly endpoints: readonly { readonly worker: number; readonly http: HttpClient }[];
  readonly clients: number;
  /** Keys in use at a time. */
  readonly keys: number;
  /** Pause of a client between two operations. */
  readonly pauseMs: number;
  readonly timeoutMs: number;
  /** What is answered with 503 is asked again for so long. Default: not at all. */
  readonly retryForMs?: number;
  nowMs(): number;
}

/** Operations on a key before it is left for a new one. */
const OPERATIONS_PER_KEY = 120;

const KINDS = ['put', 'put', 'put', 'swap', 'swap', 'create', 'delete', 'get', 'get', 'get', 'get'] as const;
type Kind = (typeof KINDS)[number];

interface Known {
  readonly version: string;
  readonly value: number;
}

interface Key {
  readonly name: string;
  operations: number;
  /** What was last seen there, for conditional writes. */
  known: Known | undefined;
}

type Happened = Pick<Recorded, 'type' | 'value' | 'expected' | 'certain' | 'partition'>;
/** What an answer means for the history. It certainly did nothing: the status, 0 where nobody answered. */
type Outcome = Happened | number;

const UNAVAILABLE = 503;
/** As `Retry-After` would be for people; a test has less time. */
const RETRY_AFTER_MS = 50;

export class Workload {
  private stopping = false;
  private nextValue = 1;
  private nextKey = 0;
  private readonly keys: Key[] = [];

  constructor(private readonly options: WorkloadOptions) {
    for (let i = 0; i < options.keys; i += 1) this.keys.push(this.newKey());
  }

  /** Resolves when `stop` was called and every client has its last answer. */
  async run(): Promise<void> {
    await Promise.all(Array.from({ length: this.options.clients }, (_, client) => this.client(client)));
  }

  stop(): void {
    this.stopping = true;
  }

  /** Reads every key that was ever used, many of which were left before the last faults. Rejects when one cannot be read. */
  async readBack(): Promise<void> {
    const { endpoints, history } = this.options;
    for (let i = 0; i < this.nextKey; i += 1) {
      const { worker, http } = endpoints[i % endpoints.length] as (typeof endpoints)[number];
      const key: Key = { name: `key-${i}`, operations: 0, known: undefined };
      const call = this.options.nowMs();
      const read = await eventually(`${key.name} can be read`, async () => {
        const outcome = await this.read(http, `/v1/kv/${key.name}`, key);
        return typeof outcome !== 'number' && outcome;
      });
      history.add({ ...read, key: key.name, client: 0, worker, call, end: this.options.nowMs() });
    }
  }

  private newKey(): Key {
    return { name: `key-${this.nextKey++}`, operations: 0, known: undefined };
  }

  private async client(client: number): Promise<void> {
    while (!this.stopping) {
      await this.operate(client);
      await new Promise((resolve) => setTimeout(resolve, this.options.pauseMs));
    }
  }

  private async operate(client: number): Promise<void> {
    const { random, endpoints, history } = this.options;
    const at = random.below(this.keys.length);
    const key = this.keys[at] as Key;
    key.operations += 1;
    if (key.operations === OPERATIONS_PER_KEY) this.keys[at] = this.newKey();
    const { worker, http } = random.pick(endpoints);
    const kind = random.pick(KINDS);
    const call = this.options.nowMs();
    let outcome = await this.perform(http, key, kind);
    const { retryForMs = 0 } = this.options;
    while (outcome === UNAVAILABLE && this.options.nowMs() - call < retryForMs) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_AFTER_MS));
      outcome = await this.perform(http, key, kind);
    }
    const now = this.options.nowMs();
    if (typeof outcome === 'number') history.addFailure(outcome);
    else
      history.add({ ...outcome, key: key.name, client, worker, call, end: outcome.certain ? now : Infinity });
  }

  private async perform(http: HttpClient, key: Key, kind: Kind): Promise<Outcome> {
    const target = `/v1/kv/${key.name}`;
    const { timeoutMs } = this.options;
    const { known } = key;
    if (kind === 'get') return this.read(http, target, key);
    if (kind === 'delete') {
      return this.write({ type: 'delete', value: 0, expected: 0 }, key, () =>
        http.delete(target, { timeoutMs }),
      );
    }
    const value = this.nextValue++;
    if (kind === 'put' || (kind === 'swap' && known === undefined)) {
      return this.write({ type: 'write', value, expected: 0 }, key, () =>
        http.put(target, `${value}`, { timeoutMs }),
      );
    }
    const isSwap = kind === 'swap' && known !== undefined;
    const headers: Record<string, string> = isSwap ? { 'if-match': known.version } : { 'if-none-match': '*' };
    const expected = isSwap ? known.value : 0;
    return this.write({ type: 'swap', value, expected }, key, () =>
      http.put(target, `${value}`, { timeoutMs, headers }),
    );
  }

  private async read(http: HttpClient, target: string, key: Key): Promise<Outcome> {
    let answer;
    try {
      answer = await http.get(target, { timeoutMs: this.options.timeoutMs });
    } catch {
      return 0;
    }
    if (answer.status === 404) return { ...READ, value: 0 };
    if (answer.status !== 200) return answer.status;
    const value = Number(answer.text);
    key.known = { version: String(answer.headers['etag']), value };
    return { ...READ, value };
  }

  private async write(
    what: Pick<Recorded, 'type' | 'value' | 'expected'>,
    key: Key,
    send: () => ReturnType<HttpClient['send']>,
  ): Promise<Outcome> {
    const unknown: Outcome = { ...what, certain: false, partition: undefined };
    let answer;
    try {
      answer = await send();
    } catch (error) {
      // Nobody listened: nothing was sent. Anything else leaves it open.
      return (error as { code?: unknown }).code === 'ECONNREFUSED' ? 0 : unknown;
    }
    const { status } = answer;
    if (status === 200 || status === 201) {
      const { partition } = answer.json() as { partition: number };
      if (what.type !== 'delete') key.known = { version: String(answer.headers['etag']), value: what.value };
      return { ...what, certain: true, partition };
    }
    // A delete of nothing is a read of nothing.
    if (status === 404 && what.type === 'delete') return { ...READ, value: 0 };
    return DEFINITE.has(status) ? status : unknown;
  }
}

const READ = { type: 'read', expected: 0, certain: true, partition: undefined } as const;

/** Refused before anything was done: condition, limits, no primary now, no room. */
const DEFINITE = new Set([404, 412, 429, 503, 507]);
