/**
 * A simulated cluster without chance: nothing is lost, delayed or broken but what the scenario breaks. What the
 * replicas of one partition say and do comes out as text for a golden trace.
 */
import type { Effect, Message, ReplicaEvent, Reply } from '@diststore/replication';

import { PROFILES } from './profile.js';
import type { Profile } from './profile.js';
import type { ClientAnswer, ClientRequest } from './requests.js';
import { Simulation } from './simulation.js';
import type { WorkerView } from './worker-view.js';
import type { SimulatedWorker } from './simulated-worker.js';

export class Scenario {
  readonly lines: string[] = [];
  readonly sim: Simulation;
  private requests = 0;
  private muted = true;

  constructor(options: { workers: number; replicas: number; smallLogs?: boolean }) {
    const profile: Profile = {
      ...(PROFILES['calm'] as Profile),
      name: 'scenario',
      workers: [options.workers, options.workers],
      partitions: [1, 1],
      replicationFactors: [options.replicas],
      clients: 0,
      faults: {},
      drift: 0,
      longErasing: false,
      smallLogs: options.smallLogs === true,
    };
    this.sim = new Simulation({
      seed: 7,
      profile,
      tracer: (worker, _partition, event, effects) => this.note(worker, event, effects),
    });
    this.sim.prepare();
    const indexes = this.sim.workers.map(({ index }) => index);
    const replicas = indexes.slice(0, options.replicas);
    this.sim.master.setTarget(0, replicas, replicas[0] as (typeof replicas)[0]);
    this.run(1500);
  }

  /** From here on the trace is kept. */
  begin(title: string): this {
    this.muted = false;
    this.lines.push(`# ${title}`);
    return this;
  }

  /** What comes now is not of interest. */
  mute(): this {
    this.muted = true;
    return this;
  }

  say(text: string): this {
    this.muted = false;
    this.lines.push(`## ${text}`);
    return this;
  }

  run(ms: number): this {
    this.sim.time.runUntil(this.sim.time.nowMs + ms);
    return this;
  }

  worker(index: number): SimulatedWorker {
    const worker = this.sim.workers[index - 1];
    if (worker === undefined) throw new Error(`There is no worker ${index}.`);
    return worker;
  }

  put(worker: number, key: string, value: number): this {
    this.requests += 1;
    const id = String(this.requests).padStart(32, '0');
    const request: ClientRequest = { id, partition: 0, key, type: 'put', value, expected: 0, ttlMs: 0 };
    this.worker(worker).handle(request, (answer: ClientAnswer) => {
      if (!this.muted) this.lines.push(`client: put ${key} -> ${JSON.stringify(answer)}`);
    });
    return this;
  }

  setTarget(workers: number[]): this {
    const indexes = workers.map((index) => this.worker(index).index);
    this.sim.master.setTarget(0, indexes, indexes[0] as (typeof indexes)[0]);
    return this;
  }

  text(): string {
    return `${this.lines.join('\n')}\n`;
  }

  /** Beacons, ticks and polls that change nothing are left out: they are most of what happens. */
  private note(worker: WorkerView, event: ReplicaEvent, effects: readonly Effect[]): void {
    if (this.muted) return;
    const told = effects.map(textOfEffect).filter((text) => text !== undefined);
    const isRoutine = event.type === 'tick' || event.type === 'beacon' || event.type === 'beaconAccepted';
    const isOldNews = event.type === 'configuration' || event.type === 'target' || event.type === 'flush';
    if (told.length === 0 && (isRoutine || isOldNews)) return;
    this.lines.push(`worker ${worker.index}: ${textOfEvent(event)}`, ...told.map((text) => `    ${text}`));
  }
}

function textOfEvent(event: ReplicaEvent): string {
  switch (event.type) {
    case 'message':
      return `from worker ${event.from.worker}: ${textOfMessage(event.message)}`;
    case 'write':
      return 'write';
    case 'persisted':
      return `durable through #${event.number}`;
    case 'configuration':
      return `configuration ${event.configuration.gen}.${event.configuration.epoch} (${event.configuration.kind})`;
    case 'proposalAnswer':
      return `the master answers: ${event.decision.answer}`;
    case 'masterAnswered':
      return 'the master takes proposals';
    case 'refused':
      return `worker ${event.worker} refuses connections`;
    default:
      return event.type;
  }
}

function textOfEffect(effect: Effect): string | undefined {
  switch (effect.type) {
    case 'persist':
      return `persist #${effect.number}${effect.urgent ? '' : ' lazily'}: ${effect.writes
        .map((write) => {
          if (write.type === 'append' || write.type === 'apply')
            return `${write.type} ${write.entries.map(({ seq }) => seq).join(',')}`;
          if (write.type === 'installed')
            return `installed ${write.state.configuration?.epoch ?? '-'}${write.state.tenure ? ' as primary' : ''}${write.state.state === 'loading' ? ' loading' : ''}`;
          if (write.type === 'truncate') return `truncate above ${write.after}`;
          return write.type;
        })
        .join(', ')}`;
    case 'send':
      return `to worker ${effect.to}: ${textOfMessage(effect.message)}`;
    case 'reply':
      return `reply ${textOfReply(effect.reply)}`;
    case 'propose':
      return `propose ${effect.proposal.kind} on ${effect.proposal.expect?.gen}.${effect.proposal.expect?.epoch}: primary ${effect.proposal.next.primary.worker}, in sync ${effect.proposal.next.insync.map(({ worker }) => worker).join(',')}`;
    case 'askMaster':
      return 'ask whether the master takes proposals';
    case 'role':
      return `is ${effect.role}`;
    case 'beaconAnswer':
      return undefined;
    default:
      return effect.type;
  }
}

function textOfMessage(message: Message): string {
  switch (message.type) {
    case 'install':
      return `INSTALL ${message.configuration.gen}.${message.configuration.epoch}, log ${message.log.base}..${message.log.last}, committed ${message.committed}`;
    case 'installed':
      return `INSTALLED, ${message.match === null ? 'needs a snapshot' : `logs agree up to ${message.match}`}`;
    case 'prepare':
      return `PREPARE ${message.entries.map(({ seq }) => seq).join(',')}, committed ${message.committed}`;
    case 'prepared':
      return `PREPARED ${message.durable}`;
    case 'missing':
      return `MISSING after ${message.last}`;
    case 'configuration':
      return `CONFIGURATION ${message.configuration.gen}.${message.configuration.epoch}`;
    case 'snapshotBegin':
      return `SNAPSHOT_BEGIN ${message.snapshotId} at ${message.state.applied}`;
    case 'snapshotChunk':
      return `SNAPSHOT_CHUNK ${message.index}, ${message.rows.length} rows`;
    case 'snapshotEnd':
      return `SNAPSHOT_END after ${message.chunks}`;
    case 'snapshotAck':
      return `SNAPSHOT_ACK ${message.index}`;
    default:
      return message.type.toUpperCase();
  }
}

function textOfReply(reply: Reply): string {
  return reply.type === 'ok' ? `ok, version ${reply.seq}` : reply.type;
}
