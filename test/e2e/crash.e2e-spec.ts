/**
 * Acknowledged means durable: a worker is killed with kill -9 at a random moment, under writes from many clients, and
 * started again, round after round on the same data. After each start every key is read and judged by the ledger of
 * what was acknowledged. Every value carries a checksum of its own, so a torn one is told from a wrong one.
 *
 * `CRASH_ROUNDS=50` for more rounds, `CRASH_SEED` for the same choices again (not the same timing).
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { describe, expect, it } from '@jest/globals';
import { type App, type HttpClient, useSandbox } from '@diststore/testing';

import { Ledger } from './crash-ledger.js';

const ROUNDS = Number(process.env['CRASH_ROUNDS'] ?? 5);
const SEED = Number(process.env['CRASH_SEED'] ?? Date.now() % 1_000_000);
const WRITERS = 16;
/** Some keys have one writer, so that each write follows the last; others have all of them at once. */
const OWN_KEYS = 12;
const SHARED_KEYS = 12;
const KILL_MS_MAX = 400;
const ROUND_MS_MAX = 30_000;

const sandbox = useSandbox('each');
const random = randomFrom(SEED);

interface Figures {
  acknowledged: number;
  acknowledgedBytes: number;
  deletes: number;
  unanswered: number;
  unansweredDone: number;
  killedStarts: number;
  startMs: number[];
}

it(
  `${ROUNDS} rounds of kill -9 under load: every acknowledged write is there, no value is torn, no version goes back`,
  async () => {
    const figures: Figures = {
      acknowledged: 0,
      acknowledgedBytes: 0,
      deletes: 0,
      unanswered: 0,
      unansweredDone: 0,
      killedStarts: 0,
      startMs: [],
    };
    const ledger = new Ledger();
    // A small memory table, so that LevelDB's log rotates and its tables are merged within the rounds.
    let worker = await sandbox().startWorker({ flags: ['--write-buffer-bytes=1048576'] });
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const stopped = new AbortController();
        const writers = Array.from({ length: WRITERS }, (_unused, i) =>
          write(worker.http, { writer: i, ledger, figures, stopped: stopped.signal }),
        );
        // Not a wait for something: the moment of the kill is the chance that is being tested.
        await sleep(random() * KILL_MS_MAX);
        worker.process.signal('SIGKILL');
        await worker.process.untilExit();
        stopped.abort();
        await Promise.all(writers);
        figures.unanswered += ledger.openCount;
        worker = await startAgain(worker, figures);
        await checkEveryKey(worker.http, ledger, figures);
      }
    } catch (error) {
      throw new Error(`CRASH_SEED=${SEED}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
    if (process.env['CRASH_ROUNDS'] !== undefined) report(figures);
    expect(figures.acknowledged).toBeGreaterThan(ROUNDS);
    // Else the kills came between the writes, and the test shows nothing.
    expect(figures.unanswered).toBeGreaterThan(0);
    expect((await worker.process.stop()).code).toBe(0);
  },
  60_000 + ROUNDS * ROUND_MS_MAX,
);

/** Writes one after the other until the worker is gone. */
async function write(
  http: HttpClient,
  context: { writer: number; ledger: Ledger; figures: Figures; stopped: AbortSignal },
): Promise<void> {
  const { writer, ledger, figures, stopped } = context;
  for (let i = 0; !stopped.aborted; i++) {
    const key = random() < 0.5 ? `own-${writer}-${pick(OWN_KEYS)}` : `shared-${pick(SHARED_KEYS)}`;
    const value = random() < 0.15 ? undefined : newValue(`${key} ${i} `);
    const attempt = ledger.attempt(key, value);
    const answer = await (
      value === undefined ? http.delete(`/delete/${key}`) : http.put(`/put/${key}`, value)
    ).catch(() => undefined);
    if (answer === undefined) return;
    if (answer.status === 404 && value === undefined) {
      ledger.withdraw(attempt);
      continue;
    }
    if (answer.status !== 200 && answer.status !== 201) throw new Error(`${answer.status}: ${answer.text}`);
    ledger.acknowledge(attempt, (answer.json() as { version: number }).version);
    figures.acknowledged += 1;
    figures.acknowledgedBytes += value?.length ?? 0;
    figures.deletes += value === undefined ? 1 : 0;
  }
}

/** In every third round the new process is killed as well, at a random moment of its start. */
async function startAgain(worker: App, figures: Figures): Promise<App> {
  if (random() < 1 / 3) {
    const unlucky = await sandbox().launchAgain(worker);
    await sleep(random() * Math.max(...figures.startMs, KILL_MS_MAX));
    await unlucky.process.kill();
    figures.killedStarts += 1;
  }
  const startMs = performance.now();
  const again = await sandbox().startAgain(worker);
  figures.startMs.push(performance.now() - startMs);
  return again;
}

async function checkEveryKey(http: HttpClient, ledger: Ledger, figures: Figures): Promise<void> {
  await Promise.all(
    ledger.keys.map(async (key) => {
      const answer = await http.get(`/get/${key}`);
      if (answer.status === 404) {
        figures.unansweredDone += ledger.check(key, undefined) === undefined ? 0 : 1;
        return;
      }
      expect(answer.status).toBe(200);
      if (!isWhole(answer.text)) throw new Error(`${key} is torn: ${answer.body.length} bytes`);
      const found = { version: Number(answer.headers['diststore-version']), value: answer.text };
      figures.unansweredDone += ledger.check(key, found) === undefined ? 0 : 1;
    }),
  );
}

const DIGEST_CHARS = 64;

/** Mostly small, at times larger than a block of LevelDB, rarely larger than a packet on any network. */
function newValue(beginning: string): string {
  const size = random();
  const chars = size < 0.7 ? pick(200) : size < 0.95 ? pick(16_000) : pick(128_000);
  const text = beginning.padEnd(chars, String.fromCharCode(97 + pick(26)));
  return text + digest(text);
}

function isWhole(value: string): boolean {
  return digest(value.slice(0, -DIGEST_CHARS)) === value.slice(-DIGEST_CHARS);
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function pick(count: number): number {
  return Math.floor(random() * count);
}

/** mulberry32 */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function report({ startMs, ...figures }: Figures): void {
  const sorted = [...startMs].sort((a, b) => a - b);
  const start = {
    medianMs: Math.round(sorted[sorted.length >> 1] ?? 0),
    maxMs: Math.round(sorted.at(-1) ?? 0),
  };
  process.stdout.write(`crash: ${JSON.stringify({ seed: SEED, rounds: ROUNDS, ...figures, start })}\n`);
}

describe('the ledger notices', () => {
  function ledgerWith(version: number, value: string | undefined): Ledger {
    const ledger = new Ledger();
    ledger.acknowledge(ledger.attempt('k', value), version);
    return ledger;
  }

  it.each([
    ['a lost write', () => ledgerWith(5, 'a').check('k', undefined), /is lost/],
    ['a write undone', () => ledgerWith(5, 'a').check('k', { version: 4, value: 'b' }), /went back/],
    ['a delete undone', () => ledgerWith(5, undefined).check('k', { version: 4, value: 'b' }), /went back/],
    ['another value', () => ledgerWith(5, 'a').check('k', { version: 5, value: 'b' }), /another value/],
    ['a value from nowhere', () => ledgerWith(5, 'a').check('k', { version: 6, value: 'b' }), /nobody sent/],
    [
      'an old value under a new version',
      () => {
        const ledger = ledgerWith(5, 'a');
        ledger.acknowledge(ledger.attempt('k', 'b'), 6);
        return ledger.check('k', { version: 7, value: 'a' });
      },
      /nobody sent/,
    ],
    [
      'a version that does not rise',
      () => {
        const ledger = ledgerWith(5, 'a');
        ledger.acknowledge(ledger.attempt('k', 'b'), 5);
      },
      /version 5 after version 5/,
    ],
  ])('%s', (_name, act, message) => {
    expect(act).toThrow(message);
  });

  it('nothing wrong with unanswered writes, done or not', () => {
    for (const found of [undefined, { version: 6, value: 'b' }, { version: 5, value: 'a' }]) {
      const ledger = ledgerWith(5, 'a');
      ledger.attempt('k', 'b');
      ledger.attempt('k', undefined);
      expect(() => ledger.check('k', found)).not.toThrow();
    }
  });

  it('a torn value', () => {
    const value = newValue('key 1 ');
    expect(isWhole(value)).toBe(true);
    expect(isWhole(value.slice(0, -1))).toBe(false);
    expect(isWhole(`x${value.slice(1)}`)).toBe(false);
  });
});
