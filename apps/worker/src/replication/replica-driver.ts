/**
 * Tells replicas what happens and does what they want: the loop around `Replica.step`. It decides nothing.
 *
 * - One event at a time per replica; its effects are performed in order, and nothing is awaited in between. Whatever
 *   takes time comes back as another event.
 * - Writes of one turn of the event loop are flushed together, so that a crowd of them shares one `persist`.
 * - What comes back for a replica that was replaced meanwhile is dropped.
 *
 * An invariant that breaks in here ends the process: nobody knows any more what is true.
 */
import { invariant, StoreError, unreachable } from '@diststore/base';
import type { Decision, Member, PartitionId, ReplicaProposal, WorkerIndex } from '@diststore/cluster';
import { decodeMessage, encodeMessage, PREPARE_BYTES_MAX, PREPARE_ENTRIES_MAX } from '@diststore/replication';
import type {
  Decided,
  Effect,
  Entry,
  Message,
  Moment,
  Reads,
  Replica,
  ReplicaEvent,
  Reply,
  Request,
  Seq,
  SnapshotRow,
  WriteView,
} from '@diststore/replication';

import type { ClockSanity, MachineMoment } from './clock-sanity.js';
import type { CommitQueue, Persist } from './commit-queue.js';
import { CLIENTS_MAX, WRITE_ATTEMPTS_MAX } from './limits.js';
import type { Lane, Line, ReplicaNetwork } from './replica-network.js';
import type { ReplicaObserver } from './replica-observer.js';
import type { Seat } from './seat.js';
import type { SnapshotSource } from './snapshot-source.js';

/** A write on its way, and who waits for it. One of `done` and `lost` is called, once. */
export interface WriteCall {
  readonly seat: Seat;
  readonly request: Request | undefined;
  /** Reads what it needs, as of now. */
  read(applied: Seq): Reads;
  /** May be asked more than once; the last answer counts. */
  readonly command: (view: WriteView) => Decided;
  done(reply: Exclude<Reply, { type: 'needRead' }>): void;
  /** The replica is gone: it may have been done or not. */
  lost(): void;
  /** When it was handed over; set by the driver. */
  startedMs?: number;
}

type Durable = Pick<Persist<object>, 'number' | 'ver' | 'writes'>;

export interface DriverOptions {
  readonly clocks: ClockSanity;
  readonly network: ReplicaNetwork;
  readonly queue: Pick<CommitQueue<object>, 'enqueue'>;
  readonly snapshots: SnapshotSource;
  readonly readLog: (
    partition: PartitionId,
    range: { from: Seq; through: Seq },
    bounds: { bytesMax: number; entriesMax: number },
  ) => Promise<Entry[]>;
  /** What is wrong with rows that came from another worker, or undefined. */
  readonly problemOfRows: (partition: PartitionId, rows: readonly SnapshotRow[]) => string | undefined;
  /** Rejects when the master does not answer, or takes no proposals now. */
  readonly propose: (proposal: ReplicaProposal) => Promise<Decision>;
  /** Asks the master now whether it takes proposals. Never rejects. */
  readonly canPropose: () => Promise<boolean>;
  readonly observer: ReplicaObserver;
  /** The replica is not to be trusted any more. */
  readonly condemned: (seat: Seat, reason: string) => void;
  readonly fatal: (error: unknown) => void;
  readonly report: (problem: string) => void;
}

export class ReplicaDriver {
  private readonly calls = new WaitingCalls();
  private readonly confirmations = new Map<
    number,
    { readonly seat: Seat; readonly resolve: (ok: boolean) => void }
  >();
  private lastNumber = 0;
  /** The client whose write must be read for again; set while a write is stepped. */
  private needsRead: number | undefined;
  private dirty: Seat[] = [];
  private flushScheduled: NodeJS.Immediate | undefined;
  private isStepping = false;

  constructor(private readonly options: DriverOptions) {}

  /** Clients that wait. */
  get clientCount(): number {
    return this.calls.count + this.confirmations.size;
  }

  moment(): MachineMoment {
    return this.options.clocks.moment();
  }

  /** Steps an event at this moment. Does nothing where there is no replica. */
  tell(seat: Seat, event: ReplicaEvent): readonly Effect[] {
    return seat.replica === undefined ? [] : this.step(seat, event, this.moment());
  }

  step(seat: Seat, event: ReplicaEvent, moment: Moment): readonly Effect[] {
    const { replica } = seat;
    if (replica === undefined) return [];
    invariant(!this.isStepping, 'one event at a time', { partition: seat.partition, type: event.type });
    let effects: readonly Effect[];
    this.isStepping = true;
    try {
      effects = replica.step(event, moment);
      for (const effect of effects) this.perform(seat, replica, effect, moment.nowMs);
    } catch (error) {
      this.options.fatal(error);
      throw error;
    } finally {
      this.isStepping = false;
    }
    return effects;
  }

  /**
   * Hands a write over. Its call is told at once, or when it is durable wherever it must be.
   * @throws StoreError too-many-requests: nothing was done, and the call is not told.
   */
  write(call: WriteCall): void {
    if (this.calls.count >= CLIENTS_MAX) throw tooManyClients();
    const { seat, request, command } = call;
    const { replica } = seat;
    invariant(replica !== undefined, 'a write is handed to a replica that runs', {
      partition: seat.partition,
    });
    for (let attempt = 1; ; attempt += 1) {
      this.needsRead = undefined;
      const reads = call.read(replica.applied);
      const moment = this.moment();
      call.startedMs ??= moment.nowMs;
      const client = this.calls.add(call);
      const wallMs = seat.now(moment.wallMs);
      this.step(seat, { type: 'write', client, wallMs, request, reads, command }, moment);
      if (!this.mustReadAgain(client)) break;
      if (attempt === WRITE_ATTEMPTS_MAX) {
        call.done({ type: 'retry-later' });
        break;
      }
    }
    this.flushSoon(seat);
  }

  /** Set while its write was stepped. */
  private mustReadAgain(client: number): boolean {
    return this.needsRead === client;
  }

  /** Asks every other required member whether this replica still leads. Resolves with false when not, or unknown. */
  confirm(seat: Seat): Promise<boolean> {
    if (this.confirmations.size >= CLIENTS_MAX) throw tooManyClients();
    this.lastNumber += 1;
    const token = this.lastNumber;
    return new Promise((resolve) => {
      this.confirmations.set(token, { seat, resolve });
      this.tell(seat, { type: 'confirm', token });
      // A replica that is not there answers nothing.
      if (seat.replica === undefined && this.confirmations.delete(token)) resolve(false);
    });
  }

  /** Nobody waits for a replica that is gone. */
  forget(seat: Seat): void {
    for (const call of this.calls.takeOf(seat)) call.lost();
    for (const [token, { seat: of, resolve }] of this.confirmations) {
      if (of !== seat) continue;
      this.confirmations.delete(token);
      resolve(false);
    }
    this.options.snapshots.closeAll(seat.partition);
    seat.forgetRecords();
    seat.settleApplied();
  }

  close(): void {
    clearImmediate(this.flushScheduled);
    this.dirty = [];
  }

  /** What came over a lane other than the beacons'. `seatOf`: where it goes, if anywhere. */
  onMessage(
    lane: Lane,
    line: Line,
    bytes: Buffer,
    seatOf: (partition: PartitionId, message: Message) => Seat | undefined,
  ): void {
    const envelope = decodeMessage(bytes);
    if (envelope === undefined) {
      this.malformed(lane, line, 'a message that cannot be read');
      return;
    }
    const { partition, incarnation, message } = envelope;
    if (message.type === 'snapshotChunk') {
      const problem = this.options.problemOfRows(partition, message.rows);
      if (problem !== undefined) {
        this.malformed(lane, line, problem);
        return;
      }
    }
    // Asked before the clocks jumped: the lease that it would grant counts from a time that is not what it seems.
    if (message.type === 'installed' && message.sentAtMs <= this.options.clocks.jumpedAtMs) return;
    const seat = seatOf(partition, message);
    if (seat === undefined) return;
    const { worker, store } = line.sender;
    const from: Member = { worker, store, incarnation };
    this.tell(seat, { type: 'message', from, message });
  }

  /** All of these, which are in their order, are durable. */
  onPersisted(seat: Seat, replica: Replica, items: readonly [Durable, ...Durable[]]): void {
    if (seat.replica !== replica) return;
    const { number, ver } = items[items.length - 1] ?? items[0];
    this.tell(seat, { type: 'persisted', number, ver });
    for (const { writes } of items) seat.noteDurable(writes);
    seat.settleApplied();
  }

  private malformed(lane: Lane, line: Line, detail: string): void {
    line.malformed(detail);
    this.options.observer.malformed?.(line.sender.worker, lane);
  }

  private flushSoon(seat: Seat): void {
    if (seat.isDirty) return;
    seat.isDirty = true;
    this.dirty.push(seat);
    // Behind the sockets that are readable now, whose requests shall ride along.
    this.flushScheduled ??= setImmediate(() => this.flush());
  }

  private flush(): void {
    this.flushScheduled = undefined;
    const { dirty } = this;
    this.dirty = [];
    for (const seat of dirty) seat.isDirty = false;
    for (const seat of dirty) this.tell(seat, { type: 'flush' });
  }

  private perform(seat: Seat, replica: Replica, effect: Effect, nowMs: number): void {
    const { partition } = seat;
    switch (effect.type) {
      case 'persist': {
        const { number, ver, urgent, writes } = effect;
        seat.note(writes);
        this.options.queue.enqueue({ owner: replica, partition, number, ver, urgent, writes });
        return;
      }
      case 'send':
        this.send(partition, replica, effect.to, effect.message);
        return;
      case 'reply':
        this.reply(seat, effect.client, effect.reply, nowMs);
        return;
      case 'propose':
        this.propose(seat, replica, effect.proposal);
        return;
      case 'askMaster':
        void this.options.canPropose().then((can) => {
          if (can && seat.replica === replica)
            this.tell(seat, { type: 'masterAnswered', token: effect.token });
        });
        return;
      case 'confirmed': {
        const confirmation = this.confirmations.get(effect.token);
        this.confirmations.delete(effect.token);
        confirmation?.resolve(effect.ok);
        return;
      }
      case 'readLog':
        void this.readLog(seat, replica, effect);
        return;
      case 'snapshotOpen': {
        const { snapshotId, to } = effect;
        this.options.snapshots.open({ partition, snapshotId, to }, (event) => {
          if (seat.replica === replica) this.tell(seat, event);
        });
        return;
      }
      case 'snapshotRead':
        this.options.snapshots.read({ partition, snapshotId: effect.snapshotId, index: effect.index });
        return;
      case 'snapshotClose':
        this.options.snapshots.close(partition, effect.snapshotId);
        return;
      case 'role': {
        const { role, ver } = effect;
        seat.role = role;
        seat.forgetRecords();
        this.options.observer.role?.(partition, role, ver);
        if (role === 'primary' && replica.configuration?.kind === 'promote')
          this.options.observer.failover?.(partition);
        return;
      }
      case 'mismatch':
        this.options.observer.mismatch?.(partition, effect.worker, effect.leaseMs);
        this.options.report(
          `Worker ${effect.worker} leads partition ${partition} with leases of ${effect.leaseMs} ms, ` +
            'which do not fit the times of this worker: give all workers the same timing.',
        );
        return;
      case 'fatal':
        this.options.condemned(seat, effect.reason);
        return;
      case 'beaconAnswer':
        // The caller reads it among the effects.
        return;
      default:
        unreachable(effect);
    }
  }

  private send(partition: PartitionId, replica: Replica, to: WorkerIndex, message: Message): void {
    const { incarnation } = replica.self;
    this.options.network.send(to, laneOf(message), encodeMessage({ partition, incarnation, message }));
  }

  private reply(seat: Seat, client: number, reply: Reply, nowMs: number): void {
    const call = this.calls.take(client, seat);
    if (call === undefined) return;
    if (reply.type === 'needRead') {
      this.needsRead = client;
      return;
    }
    if (reply.type === 'ok') this.options.observer.committed?.(nowMs - (call.startedMs ?? nowMs));
    call.done(reply);
  }

  private propose(seat: Seat, replica: Replica, proposal: ReplicaProposal): void {
    const { proposalId } = proposal;
    void this.options.propose(proposal).then(
      (decision) => {
        if (seat.replica === replica) this.tell(seat, { type: 'proposalAnswer', proposalId, decision });
      },
      () => {
        if (seat.replica === replica) this.tell(seat, { type: 'proposalFailed', proposalId });
      },
    );
  }

  private async readLog(
    seat: Seat,
    replica: Replica,
    { worker, from, through }: Extract<Effect, { type: 'readLog' }>,
  ): Promise<void> {
    let entries: Entry[] = [];
    try {
      const bounds = { bytesMax: PREPARE_BYTES_MAX, entriesMax: PREPARE_ENTRIES_MAX };
      entries = await this.options.readLog(seat.partition, { from, through }, bounds);
    } catch (error) {
      // Asked again in time; a log that stays unreadable is found at the next start.
      const reason = error instanceof Error ? error.message : String(error);
      this.options.report(`The log of partition ${seat.partition} could not be read: ${reason}`);
    }
    if (seat.replica === replica) this.tell(seat, { type: 'logRead', worker, entries });
  }
}

/**
 * Calls that wait, each under a number that nobody else has meanwhile. Not a map: one that is filled and emptied all
 * the time keeps what was in it from the collector, because V8 chains its tables.
 */
class WaitingCalls {
  private readonly calls: (WriteCall | undefined)[] = [];
  private readonly free: number[] = [];

  get count(): number {
    return this.calls.length - this.free.length;
  }

  add(call: WriteCall): number {
    const number = this.free.pop() ?? this.calls.length;
    this.calls[number] = call;
    return number;
  }

  /** The call of this number, if it is one of this seat: others were forgotten, and their number is somebody else's. */
  take(number: number, seat: Seat): WriteCall | undefined {
    const call = this.calls[number];
    if (call?.seat !== seat) return undefined;
    this.calls[number] = undefined;
    this.free.push(number);
    return call;
  }

  takeOf(seat: Seat): WriteCall[] {
    return this.calls.flatMap((_call, number) => this.take(number, seat) ?? []);
  }
}

function laneOf({ type }: Message): Lane {
  switch (type) {
    case 'snapshotBegin':
    case 'snapshotChunk':
    case 'snapshotEnd':
    case 'snapshotAck':
      return 'snapshots';
    default:
      return 'replication';
  }
}

function tooManyClients(): StoreError {
  return new StoreError('too-many-requests', `${CLIENTS_MAX} requests wait already; nothing was done.`, {
    facts: { waiting: CLIENTS_MAX },
  });
}
