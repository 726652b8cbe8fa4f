/** What a worker does with the requests of clients: the reads and writes of a host, over the contract of `Replica`. */
import type { WorkerIndex } from '@diststore/cluster';
import type { ReadToken, Reply, StoredRecord } from '@diststore/replication';

import type { ObservedReplica } from './observed-replica.js';
import { answerOf, decideCommand, decideSweep, isExpired, valueOf } from './requests.js';
import type { ClientAnswer, ClientRequest } from './requests.js';
import type { WorkerHost } from './worker-host.js';
import type { World } from './world.js';

/** How often a write reads anew because what it read has moved. */
const READS_MAX = 3;

type Answer = (answer: ClientAnswer) => void;

export class RequestHandler {
  fullDiskUntilMs = 0;
  private readonly clients = new Map<number, (reply: Reply) => void>();
  private newestClient = 0;
  private readonly confirmations = new Map<number, (ok: boolean) => void>();

  constructor(
    private readonly world: World,
    private readonly host: WorkerHost,
  ) {}

  /** The process ends; nobody is answered. */
  crash(): void {
    this.clients.clear();
    this.confirmations.clear();
  }

  onReply(client: number, reply: Reply): void {
    const answer = this.clients.get(client);
    this.clients.delete(client);
    answer?.(reply);
  }

  onConfirmed(token: number, ok: boolean): void {
    const confirmation = this.confirmations.get(token);
    this.confirmations.delete(token);
    confirmation?.(ok);
  }

  handle(request: ClientRequest, answer: Answer): void {
    const replica = this.host.replicas.get(request.partition);
    if (replica === undefined) {
      answer({ type: 'elsewhere', hint: undefined });
      return;
    }
    if (request.type === 'read') this.read(replica, request, answer);
    else if (request.type === 'confirmed') this.readConfirmed(replica, request, answer);
    else this.write(request, answer, READS_MAX);
  }

  /** Undefined: the record is damaged. */
  private lookUp(replica: ObservedReplica, { partition, key }: ClientRequest): number | undefined {
    const pending = replica.pending(key)?.committed;
    if (pending === undefined && this.meetsDamage(partition, key)) return undefined;
    const record = pending === undefined ? this.host.disk.rows(partition).data.get(key) : pending.record;
    if (record === undefined || record.version <= replica.clearedThrough) return 0;
    return valueOf(record, replica.clockMs(this.host.life.wallMs()));
  }

  private meetsDamage(partition: number, key: string): boolean {
    if (!this.host.disk.rows(partition).unreadable.has(key)) return false;
    this.host.meetDamage(partition);
    return true;
  }

  private read(replica: ObservedReplica, request: ClientRequest, answer: Answer): void {
    const token = replica.beginRead(this.host.moment());
    if (typeof token === 'string') {
      answer(refusal(token, replica));
      return;
    }
    const value = this.lookUp(replica, request);
    if (value === undefined) {
      answer({ type: 'failed', unknown: false });
      return;
    }
    const finish = (): void => {
      if (this.host.replicas.get(request.partition) !== replica) return;
      const verdict = replica.mayAnswer(token, this.host.moment());
      answer(verdict === 'ok' ? { type: 'value', value } : { type: 'failed', unknown: false });
    };
    this.host.life.later(this.world.random.between(0, 3), finish);
  }

  private readConfirmed(replica: ObservedReplica, request: ClientRequest, answer: Answer): void {
    const begun = replica.beginConfirmedRead();
    if (typeof begun === 'string') {
      answer(refusal(begun, replica));
      return;
    }
    const token: ReadToken = begun;
    const value = this.lookUp(replica, request);
    if (value === undefined) {
      answer({ type: 'failed', unknown: false });
      return;
    }
    const number = this.newNumber();
    this.confirmations.set(number, (ok) => {
      const verdict = ok ? replica.mayAnswerConfirmed(token) : 'retry-later';
      answer(verdict === 'ok' ? { type: 'value', value } : { type: 'failed', unknown: false });
    });
    this.host.step(request.partition, { type: 'confirm', token: number });
  }

  /** Deletes what has expired, as any other write. What is not swept now is swept later. */
  sweep(partition: number): void {
    const { host, world } = this;
    const replica = host.replicas.get(partition);
    if (replica?.probe.role !== 'primary') return;
    const { data } = host.disk.rows(partition);
    const wallMs = host.life.wallMs();
    const clockMs = replica.clockMs(wallMs);
    const keys = [...data].filter(([, record]) => isExpired(record, clockMs)).map(([name]) => name);
    if (keys.length === 0) return;
    const records = new Map(keys.map((name) => [name, data.get(name) ?? null]));
    host.step(partition, {
      type: 'write',
      client: this.newNumber(),
      wallMs,
      request: undefined,
      reads: { appliedSeq: replica.applied, records },
      command: (view) => decideSweep(keys, view, world.mistake === 'blindSweep'),
    });
    host.step(partition, { type: 'flush' });
  }

  private newNumber(): number {
    this.newestClient += 1;
    return this.newestClient;
  }

  private write(request: ClientRequest, answer: Answer, attempts: number): void {
    const { host, world } = this;
    const { partition, key } = request;
    const replica = host.replicas.get(partition);
    if (replica === undefined || world.time.nowMs < this.fullDiskUntilMs) {
      answer({ type: 'failed', unknown: false });
      return;
    }
    const isBlind = request.type === 'put' || request.type === 'clear';
    // Written over, a damaged record is whole again.
    if (this.meetsDamage(partition, key) && !isBlind && replica.pending(key) === undefined) {
      answer({ type: 'failed', unknown: false });
      return;
    }
    const rows = host.disk.rows(partition);
    const reads = {
      appliedSeq: replica.applied,
      records: new Map<string, StoredRecord | null>([[key, rows.data.get(key) ?? null]]),
      finished: world.mistake === 'forgetsRequests' ? undefined : rows.finished.get(request.id),
    };
    const client = this.newNumber();
    this.clients.set(client, (reply) => {
      if (reply.type === 'ok') world.checker.acknowledged(partition, reply.seq);
      if (reply.type === 'needRead' && attempts > 0) this.write(request, answer, attempts - 1);
      else answer(answerOf(reply));
    });
    const wallMs = host.life.wallMs();
    const fingerprint = { hi: request.value, lo: request.expected };
    // Mostly at once, as a host does that reads on its own thread; sometimes the read takes a while.
    const run = (): void => {
      if (host.replicas.get(partition) !== replica) return;
      host.step(partition, {
        type: 'write',
        client,
        wallMs,
        request: { id: request.id, fingerprint },
        reads,
        command: (view) => decideCommand(request, view),
      });
      host.life.later(this.turnMs(), () => host.step(partition, { type: 'flush' }));
    };
    if (attempts > 0 && world.random.chance(0.3)) host.life.later(world.random.between(0, 4), run);
    else run();
  }

  /** To the end of the turn of the event loop in which a write has come. */
  private turnMs(): number {
    const { turnMsMax = 0 } = this.world.profile;
    return turnMsMax === 0 ? 0 : this.world.random.between(0, turnMsMax);
  }
}

function refusal(verdict: 'retry-later' | 'not-primary', replica: ObservedReplica): ClientAnswer {
  if (verdict === 'retry-later') return { type: 'failed', unknown: false };
  const hint: WorkerIndex | undefined = replica.status.configuration?.primary.worker;
  return { type: 'elsewhere', hint };
}
