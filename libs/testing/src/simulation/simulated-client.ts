/**
 * A client: one request at a time, sent again under the same id until the outcome is known, then the next. What it saw
 * goes into the history of the key.
 */
import type { Operation } from './linearizability.js';
import type { ClientAnswer, ClientRequest } from './requests.js';
import type { SimulatedWorker } from './simulated-worker.js';
import type { World } from './world.js';

const TIMEOUT_MS = 700;
const ATTEMPTS_MAX = 12;

export class SimulatedClient {
  readonly stats = { written: 0, read: 0, unknown: 0, failed: 0 };
  private hint = 0;
  private number = 0;
  /** The value last seen under each key. */
  private readonly known = new Map<string, number>();

  constructor(
    private readonly world: World,
    private readonly workers: readonly SimulatedWorker[],
    private readonly index: number,
  ) {}

  start(): void {
    this.world.time.after(this.world.random.between(0, 200), () => this.next());
  }

  private next(): void {
    if (this.world.clientsStopped) return;
    const { random, profile } = this.world;
    const partition = random.below(this.world.partitionCount);
    const key = `${partition}/${random.below(profile.keysPerPartition)}`;
    this.number += 1;
    const value = (this.index + 1) * 100_000 + this.number;
    const ttlMs = profile.expiring === true && random.chance(0.4) ? 150 + random.below(750) : 0;
    const base = { id: random.hex(16), partition, key, value, expected: this.known.get(key) ?? 0, ttlMs };
    const read = profile.onlyConfirmedReads || random.chance(0.15) ? 'confirmed' : 'read';
    const dice = random.unit();
    let type: ClientRequest['type'] = read;
    if (dice < 0.4) type = 'put';
    else if (dice < 0.5 && !profile.onlyConfirmedReads) type = 'putIf';
    else if (dice < 0.55 && !profile.onlyConfirmedReads) type = 'delete';
    else if (dice < 0.57) type = 'clear';
    const request = { ...base, type };
    this.attempt(request, this.world.time.nowMs, 1, false);
  }

  private attempt(request: ClientRequest, callMs: number, count: number, maybeDone: boolean): void {
    const { world, workers } = this;
    const { time, random, network } = world;
    const worker = workers[(this.hint + workers.length) % workers.length];
    if (worker === undefined) return;
    let settled = false;
    const again = (unknown: boolean): void => {
      if (settled) return;
      settled = true;
      const maybe = maybeDone || unknown;
      if (count >= ATTEMPTS_MAX || world.clientsStopped) this.finish(request, callMs, undefined, maybe);
      else time.after(random.between(5, 60), () => this.attempt(request, callMs, count + 1, maybe));
    };
    const receive = (answer: ClientAnswer): void => {
      if (settled) return;
      if (answer.type === 'elsewhere') {
        this.hint = answer.hint === undefined ? random.below(workers.length) : answer.hint - 1;
        again(false);
      } else if (answer.type === 'failed') {
        if (random.chance(0.2)) this.hint = random.below(workers.length);
        again(answer.unknown);
      } else {
        settled = true;
        this.finish(request, callMs, answer, maybeDone);
      }
    };
    network.sendFromClient(worker, () =>
      worker.handle(request, (answer) => network.sendToClient(worker, () => receive(answer))),
    );
    time.after(TIMEOUT_MS, () => {
      if (settled) return;
      this.hint = random.below(workers.length);
      again(true);
    });
  }

  private finish(
    request: ClientRequest,
    call: number,
    answer: ClientAnswer | undefined,
    maybeDone: boolean,
  ): void {
    const { world } = this;
    const end = answer === undefined ? Infinity : world.time.nowMs;
    const certain = answer !== undefined;
    const { key, value, expected } = request;
    world.trace(
      () =>
        `client ${this.index}: ${request.type} ${key} ${value} (if ${expected}) -> ${answer === undefined ? (maybeDone ? 'unknown' : 'not done') : JSON.stringify(answer)}`,
    );
    if (!certain) this.stats[maybeDone ? 'unknown' : 'failed'] += 1;
    else if (answer.type === 'written') this.stats.written += 1;
    else this.stats.read += 1;
    // A refusal of this attempt says nothing about an earlier one that may still be on its way.
    if (answer?.type === 'rejected' && maybeDone)
      this.record(request, { call, end: Infinity, certain: false, value, expected }, undefined);
    if (certain || maybeDone) this.record(request, { call, end, certain, value, expected }, answer);
    world.time.after(world.random.between(0, 60), () => this.next());
  }

  private record(
    { type, key, partition, ttlMs }: ClientRequest,
    base: Omit<Operation, 'type'>,
    answer: ClientAnswer | undefined,
  ): void {
    const { checker } = this.world;
    if (type === 'read' || type === 'confirmed') {
      if (answer?.type !== 'value') return;
      this.known.set(key, answer.value);
      checker.record(key, { ...base, type: 'read', value: answer.value });
    } else if (type === 'clear') {
      for (let k = 0; k < this.world.profile.keysPerPartition; k += 1)
        checker.record(`${partition}/${k}`, { ...base, type: 'delete' });
    } else if (answer?.type === 'rejected') {
      this.known.set(key, answer.value);
      if (type === 'delete') checker.record(key, { ...base, type: 'read', value: 0 });
      else checker.record(key, { ...base, type: 'reject', value: answer.value });
    } else {
      if (answer !== undefined) this.known.set(key, type === 'delete' ? 0 : base.value);
      // Two clocks are behind an expiry: the one it was set by, and the one it is read by.
      const unsureMs = 2 * this.world.profile.wallOffsetMs + 1;
      const expires =
        ttlMs === 0
          ? undefined
          : { earliestMs: base.call + ttlMs - unsureMs, latestMs: base.end + ttlMs + unsureMs };
      checker.record(key, {
        ...base,
        type: type === 'putIf' ? 'swap' : type === 'delete' ? 'delete' : 'write',
        expires,
      });
    }
  }
}
