/**
 * One Redis port of a worker. In cluster mode it answers for the slots that this worker is primary of and redirects
 * for all others; in gateway mode it is a single server that has all keys, forwards and never redirects.
 */
import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';

import { type Clock, isStoreError, StoreError } from '@diststore/base';
import type { Address, PartitionId } from '@diststore/cluster';
import { DEFAULT_REQUEST_LIMITS, type ErrorReply, LOADING_ERROR, type RequestLimits } from '@diststore/redis';
import type { Log } from '@diststore/process';

import { CommandSet } from './command-set.js';
import { ALL_IMPLEMENTATIONS } from './commands/index.js';
import { CursorTable } from './cursor-table.js';
import type { BoundCommand, Connection, Context, RedisMode, RedisPort } from './implementation.js';
import { Pauses } from './pauses.js';
import type { Reader, RedisCluster, RedisKeyspace } from './redis-keyspace.js';
import { CLIENTS_MAX_DEFAULT, INCOMPLETE_BYTES_MAX, OUTPUT_BYTES_MAX, SWEEP_MS } from './redis-limits.js';
import { Session } from './session.js';
import { SlotMap } from './slot-map.js';
import { SlowLog } from './slow-log.js';
import { Statistics } from './statistics.js';

export interface RedisServerOptions {
  readonly mode: RedisMode;
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** Where clients of the cluster port are sent by others; default: where it listens. */
  readonly announced?: Address | undefined;
  readonly keyspace: RedisKeyspace;
  readonly cluster: RedisCluster;
  readonly maxValueBytes: number;
  readonly maxClients?: number | undefined;
  /** 0: never. */
  readonly idleTimeoutMs?: number | undefined;
  /** Replies of one connection that wait to be read, in bytes: past it, it is closed. */
  readonly outputBytesMax?: number | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Called with a programmer's error; the process is to end. */
  readonly fatal: (error: unknown) => void;
}

/** A closed connection is reused or refused by the kernel; more than this need not wait to be accepted. */
const BACKLOG = 511;
const KEEP_ALIVE_MS = 300_000;
/** What a request holds beside its largest argument. */
const REQUEST_MARGIN_BYTES = 64 * 1024;

export class RedisServer implements RedisPort {
  readonly mode: RedisMode;
  readonly keyspace: RedisKeyspace;
  readonly clock: Clock;
  readonly log: Log;
  readonly slots: SlotMap;
  readonly commands = new CommandSet(ALL_IMPLEMENTATIONS);
  readonly statistics = new Statistics();
  readonly slowLog = new SlowLog();
  readonly cursors: CursorTable;
  readonly pauses: Pauses;
  readonly context: Context;
  readonly requestLimits: RequestLimits;
  readonly runId = randomBytes(20).toString('hex');
  readonly startedMs: number;
  readonly outputBytesMax: number;
  maxClients: number;
  idleTimeoutMs: number;

  private readonly staleReader: Reader;
  private readonly server: Server;
  private readonly sessionsById = new Map<number, Session>();
  private sweeping: NodeJS.Timeout | undefined;
  private nextId = 1;
  private incompleteBytes = 0;
  private isClosing = false;

  private constructor(private readonly options: RedisServerOptions) {
    const { clock, maxValueBytes, port, host } = options;
    this.mode = options.mode;
    this.keyspace = options.keyspace;
    this.staleReader = { get: (key) => options.keyspace.getAs(key, 'stale') };
    this.clock = clock;
    this.log = options.log;
    this.startedMs = performance.now();
    this.maxClients = options.maxClients ?? CLIENTS_MAX_DEFAULT;
    this.idleTimeoutMs = options.idleTimeoutMs ?? 0;
    this.outputBytesMax = options.outputBytesMax ?? OUTPUT_BYTES_MAX;
    this.slots = new SlotMap(options.cluster, options.announced ?? { host, port });
    this.cursors = new CursorTable(clock);
    this.pauses = new Pauses(clock, () => this.wakeAll());
    this.context = {
      get nowMs() {
        return clock.wallNowMs();
      },
      maxValueBytes,
    };
    const bulkBytesMax = Math.max(DEFAULT_REQUEST_LIMITS.bulkBytesMax, maxValueBytes + REQUEST_MARGIN_BYTES);
    this.requestLimits = {
      ...DEFAULT_REQUEST_LIMITS,
      bulkBytesMax: Math.min(bulkBytesMax, BULK_BYTES_MAX),
      requestBytesMax: Math.max(DEFAULT_REQUEST_LIMITS.requestBytesMax, 2 * bulkBytesMax),
    };
    this.server = createServer({
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_MS,
      allowHalfOpen: true,
    });
    this.server.on('connection', (socket) => this.accept(socket));
  }

  /** Listens. @throws StoreError address-in-use, or bad-parameter for an address that is none of this machine's. */
  static async listen(options: RedisServerOptions): Promise<RedisServer> {
    const redis = new RedisServer(options);
    await new Promise<void>((resolve, reject) => {
      redis.server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, options)));
      redis.server.listen({ host: options.host, port: options.port, backlog: BACKLOG }, resolve);
    });
    redis.server.removeAllListeners('error');
    redis.server.on('error', (error) => redis.log.warn(`Redis port ${redis.port}: ${error.message}`));
    redis.sweeping = setInterval(() => redis.sweep(), SWEEP_MS);
    return redis;
  }

  get port(): number {
    const address = this.server.address();
    return typeof address === 'object' && address !== null ? address.port : this.options.port;
  }

  connections(): Session[] {
    return [...this.sessionsById.values()];
  }

  get connectionCount(): number {
    return this.sessionsById.size;
  }

  find(id: number): Session | undefined {
    return this.sessionsById.get(id);
  }

  partitions(): readonly PartitionId[] {
    return this.mode === 'cluster' ? this.slots.ownPartitions() : this.keyspace.partitions();
  }

  redirectionOf(key: Buffer): ErrorReply | undefined {
    if (this.mode === 'cluster') return this.slots.redirectionOf(key);
    return this.slots.map === undefined ? LOADING_ERROR : undefined;
  }

  redirectionOfAll(keys: readonly Buffer[]): ErrorReply | undefined {
    if (this.mode === 'gateway') return this.redirectionOf(keys[0] as Buffer);
    return this.slots.crossSlotErrorOf(keys) ?? this.slots.redirectionOf(keys[0] as Buffer);
  }

  crossSlotErrorOf(keys: readonly Buffer[]): ErrorReply | undefined {
    return this.slots.crossSlotErrorOf(keys);
  }

  staleReaderOf(keys: readonly Buffer[]): Reader | undefined {
    const { keyspace, slots } = this;
    if (this.mode === 'gateway' || slots.map?.partitions === undefined) return undefined;
    if (slots.crossSlotErrorOf(keys) !== undefined) return undefined;
    return keyspace.hasReplica(keyspace.partitionOf(keys[0] as Buffer)) ? this.staleReader : undefined;
  }

  isHere(key: Buffer): boolean {
    return this.slots.map !== undefined && this.slots.isHere(this.keyspace.partitionOf(key));
  }

  account(
    connection: Connection,
    what: BoundCommand | ErrorReply,
    args: readonly Buffer[],
    durationMs: number,
  ): void {
    this.statistics.commands += 1;
    if ('kind' in what) {
      this.statistics.errorReplies += 1;
      return;
    }
    what.calls += 1;
    what.totalMs += durationMs;
    connection.lastCommand = what;
    const { thresholdUs } = this.slowLog;
    if (thresholdUs < 0 || durationMs * 1000 < thresholdUs) return;
    if (what.command.flags.includes('skip_slowlog')) return;
    this.slowLog.add({
      atSeconds: Math.floor(this.context.nowMs / 1000),
      durationUs: Math.round(durationMs * 1000),
      args,
      client: connection.address,
      clientName: connection.name,
    });
  }

  countIncomplete(changeBytes: number): boolean {
    this.incompleteBytes += changeBytes;
    return this.incompleteBytes <= INCOMPLETE_BYTES_MAX;
  }

  forget({ id }: Connection): void {
    this.sessionsById.delete(id);
  }

  fatal(error: unknown): void {
    this.options.fatal(error);
  }

  /** Takes no more connections, finishes what was received, and closes all by the deadline. */
  async close(deadlineMs: number): Promise<void> {
    this.isClosing = true;
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.pauses.unpause();
    this.pauses.close();
    for (const session of this.connections()) session.drain();
    const deadline = setTimeout(() => {
      for (const session of this.connections()) session.destroy();
    }, deadlineMs);
    await closed;
    clearTimeout(deadline);
    clearInterval(this.sweeping);
  }

  private accept(socket: Socket): void {
    if (this.sessionsById.size >= this.maxClients || this.isClosing) {
      this.statistics.rejectedConnections += 1;
      socket.on('error', () => undefined);
      socket.end('-ERR max number of clients reached\r\n', () => socket.destroy());
      return;
    }
    this.statistics.connections += 1;
    const session = new Session(this, socket, this.nextId++);
    this.sessionsById.set(session.id, session);
  }

  private wakeAll(): void {
    for (const session of this.sessionsById.values()) session.wake();
  }

  private sweep(): void {
    const nowMs = performance.now();
    for (const session of this.connections()) session.sweep(nowMs, this.idleTimeoutMs);
  }
}

/** The protocol's own bound. */
const BULK_BYTES_MAX = 512 * 1024 * 1024;

function listenError(error: NodeJS.ErrnoException, { host, port }: RedisServerOptions): StoreError {
  if (isStoreError(error)) return error;
  const code = error.code === 'EADDRINUSE' ? 'address-in-use' : 'bad-parameter';
  return new StoreError(code, `Redis port ${host}:${port}: ${error.message}`, { cause: error });
}
