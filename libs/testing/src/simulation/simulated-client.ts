/**
 * A client: one request at a time, sent again under the same id until the outcome is known, then the next. What it saw
 * goes into the history of the key.
 */
import type { Operation } from './linearizability.js';
import type { ClientAnswer, ClientRequest } from './simulated-worker.js';
import type { Simulation } from './simulation.js';

const TIMEOUT_MS = 700;
const ATTEMPTS_MAX = 12;

export class SimulatedClient {
  readonly stats = { written: 0, read: 0, unknown: 0, failed: 0 };
  private hint = 0;
  private number = 0;
  /** The value last seen under each key. */
  private readonly known = new Map<string, number>();

  constructor(
    private readonly sim: Simulation,
    private readonly index: number,
  ) {}

  start(): void {
    this.sim.time.after(this.sim.random.between(0, 200), () => this.next());
  }

  private next(): void {
    if (this.sim.clientsStopped) return;
    const { random, profile } = this.sim;
    const partition = random.below(this.sim.partitionCount);
    const key = `${partition}/${random.below(profile.keysPerPartition)}`;
    this.number += 1;
    const value = (this.index + 1) * 100_000 + this.number;
    const base = { id: random.hex(16), partition, key, value, expected: this.known.get(key) ?? 0 };
    const read = profile.onlyConfirmedReads || random.chance(0.15) ? 'confirmed' : 'read';
    const dice = random.unit();
    let type: ClientRequest['type'] = read;
    if (dice < 0.4) type = 'put';
    else if (dice < 0.5 && !profile.onlyConfirmedReads) type = 'putIf';
    else if (dice < 0.55 && !profile.onlyConfirmedReads) type = 'delete';
    else if (dice < 0.57) type = 'clear';
    const request = { ...base, type };
    this.attempt(request, this.sim.time.nowMs, 1, false);
  }

  private attempt(request: ClientRequest, callMs: number, count: number, maybeDone: boolean): void {
    const { sim } = this;
    const { time, random } = sim;
    const worker = sim.workers[(this.hint + sim.workers.length) % sim.workers.length];
    if (worker === undefined) return;
    let settled = false;
    const again = (unknown: boolean): void => {
      if (settled) return;
      settled = true;
      const maybe = maybeDone || unknown;
      if (count >= ATTEMPTS_MAX || sim.clientsStopped) this.finish(request, callMs, undefined, maybe);
      else time.after(random.between(5, 60), () => this.attempt(request, callMs, count + 1, maybe));
    };
    const receive = (answer: ClientAnswer): void => {
      if (settled) return;
      if (answer.type === 'elsewhere') {
        this.hint = answer.hint === undefined ? random.below(sim.workers.length) : answer.hint - 1;
        again(false);
      } else if (answer.type === 'failed') {
        if (random.chance(0.2)) this.hint = random.below(sim.workers.length);
        again(answer.unknown);
      } else {
        settled = true;
        this.finish(request, callMs, answer, maybeDone);
      }
    };
    sim.sendFromClient(worker, () =>
      worker.handle(request, (answer) => sim.sendToClient(worker, () => receive(answer))),
    );
    time.after(TIMEOUT_MS, () => {
      if (settled) return;
      this.hint = random.below(sim.workers.length);
      again(true);
    });
  }

  private finish(
    request: ClientRequest,
    call: number,
    answer: ClientAnswer | undefined,
    maybeDone: boolean,
  ): void {
    const { sim } = this;
    const end = answer === undefined ? Infinity : sim.time.nowMs;
    const certain = answer !== undefined;
    const { key, value, expected } = request;
    sim.trace(
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
    sim.time.after(sim.random.between(0, 60), () => this.next());
  }

  private record(
    { type, key, partition }: ClientRequest,
    base: Omit<Operation, 'type'>,
    answer: ClientAnswer | undefined,
  ): void {
    const { checker } = this.sim;
    if (type === 'read' || type === 'confirmed') {
      if (answer?.type !== 'value') return;
      this.known.set(key, answer.value);
      checker.record(key, { ...base, type: 'read', value: answer.value });
    } else if (type === 'clear') {
      for (let k = 0; k < this.sim.profile.keysPerPartition; k += 1)
        checker.record(`${partition}/${k}`, { ...base, type: 'delete' });
    } else if (answer?.type === 'rejected') {
      this.known.set(key, answer.value);
      if (type === 'delete') checker.record(key, { ...base, type: 'read', value: 0 });
      else checker.record(key, { ...base, type: 'reject', value: answer.value });
    } else {
      if (answer !== undefined) this.known.set(key, type === 'delete' ? 0 : base.value);
      checker.record(key, {
        ...base,
        type: type === 'putIf' ? 'swap' : type === 'delete' ? 'delete' : 'write',
      });
    }
  }
}
