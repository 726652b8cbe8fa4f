/**
 * How a worker follows the master: it says hello with what it knows, hears configurations and targets, and passes the
 * proposals of its replicas on. A replica that a new configuration names is born with the name it was given; one that
 * is wanted later is born under a name of its own, and can only learn.
 */
import { generation, incarnation, memberOf } from '@diststore/cluster';
import type { Configuration, Generation, ReplicaProposal, Target } from '@diststore/cluster';
import { newInstalled } from '@diststore/replication';
import type { InstalledState } from '@diststore/replication';

import type { Hello, HelloAnswer } from './master-messages.js';
import type { ObservedReplica } from './observed-replica.js';
import type { SimulatedMaster } from './simulated-master.js';
import type { WorkerHost } from './worker-host.js';
import type { World } from './world.js';

export const POLL_MS = 150;

export class MasterLink {
  fence: Generation = generation(1);
  nonce = '';
  private heardMs = 0;
  private isWelcome = false;
  private readonly targets = new Map<number, Target>();

  constructor(
    private readonly world: World,
    private readonly master: SimulatedMaster,
    private readonly host: WorkerHost,
    private readonly bear: (partition: number, installed: InstalledState) => void,
    private readonly onRefused: () => void,
  ) {}

  /** A new process. */
  start(): void {
    this.nonce = this.world.random.hex(8);
    this.heardMs = -Infinity;
    this.isWelcome = false;
    this.targets.clear();
  }

  get isReachable(): boolean {
    return this.host.life.localMs() - this.heardMs < 4 * POLL_MS;
  }

  target(partition: number): Target | undefined {
    return this.targets.get(partition);
  }

  poll(): void {
    const { host, world, master, nonce, fence } = this;
    host.life.later(POLL_MS + world.random.between(0, 20), () => this.poll());
    const known = new Map<number, Configuration>();
    for (const [partition, replica] of host.replicas) {
      const { configuration } = replica.status;
      if (configuration !== null) known.set(partition, configuration);
    }
    const { index: worker, store, boot } = host;
    const hello: Hello = { worker, store, boot, nonce, earlier: host.starts.slice(0, -1), fence, known };
    this.ask(
      () => master.hello(hello),
      (answer) => this.onAnswer(answer),
    );
  }

  propose(proposal: ReplicaProposal): void {
    const { host, world, master } = this;
    const { partition, proposalId } = proposal;
    // A disk that was rolled back is found at registration: until then nothing is asked in its name.
    if (!this.isWelcome) return;
    this.ask(
      () => {
        const decision = master.propose(proposal);
        world.trace(
          () =>
            `master: ${proposal.kind} of partition ${partition} by ${host.name} on ${proposal.expect?.gen}.${proposal.expect?.epoch}: ${decision?.answer ?? 'not now'}` +
            (decision?.answer === 'refused' ? ` ${decision.reason}` : ''),
        );
        return { decision };
      },
      ({ decision }) => {
        if (!host.replicas.has(partition)) return;
        if (decision === undefined) host.step(partition, { type: 'proposalFailed', proposalId });
        else host.step(partition, { type: 'proposalAnswer', proposalId, decision });
      },
    );
  }

  askWhetherOpen(partition: number, token: number): void {
    const { host, master } = this;
    if (!this.isWelcome) return;
    const replica = host.replicas.get(partition);
    this.ask(
      () => (master.takesProposals() ? true : undefined),
      () => {
        if (host.replicas.get(partition) === replica) host.step(partition, { type: 'masterAnswered', token });
      },
    );
  }

  /** Asks the master, if it can be reached, and hears its answer, if this process still runs. */
  private ask<T>(question: () => T | undefined, onAnswer: (answer: T) => void): void {
    const { host, world, master } = this;
    const { number } = host.life;
    const asked = master.number;
    world.network.sendToMaster(host, () => {
      // A connection leads to one process. What it was told ends with it, and counts for no other one: a real report
      // names the start of the master that it answers to (apps/master, Recovery.doubtOf).
      if (!master.isUp || master.number !== asked) return;
      const answer = question();
      if (answer === undefined) return;
      world.network.sendFromMaster(host, () => {
        if (host.life.number === number) onAnswer(answer);
      });
    });
  }

  private onAnswer({ isRefused, configurations, targets, fence }: HelloAnswer): void {
    const { host } = this;
    if (isRefused) {
      this.onRefused();
      return;
    }
    this.isWelcome = true;
    host.starts.splice(0, host.starts.length - 1);
    this.heardMs = host.life.localMs();
    if (fence > this.fence) {
      this.fence = fence;
      for (const partition of [...host.replicas.keys()]) host.step(partition, { type: 'fence', gen: fence });
    }
    for (const [partition, target] of targets) {
      if ((this.targets.get(partition)?.rev ?? 0) >= target.rev) continue;
      this.targets.set(partition, target);
      if (host.replicas.has(partition)) host.step(partition, { type: 'target', target });
    }
    for (const [partition, configuration] of configurations) {
      if (configuration.gen < this.fence) continue;
      host.heard(partition, configuration);
      this.birth(partition, configuration);
      if (host.replicas.has(partition)) host.step(partition, { type: 'configuration', configuration });
    }
  }

  /** A replica that the configuration names and that never wrote anything is born with the name it was given. */
  private birth(partition: number, configuration: Configuration): void {
    const { host } = this;
    if (host.replicas.has(partition) || host.disk.rows(partition).installed !== undefined) return;
    const member = memberOf(configuration.insync, host.index);
    if (member?.store === host.store) this.bear(partition, newInstalled(member.incarnation));
  }

  /** The replica of a partition; a new one, which can only learn, if there is none and one is wanted. */
  ensure(partition: number): ObservedReplica | undefined {
    const { host } = this;
    const replica = host.replicas.get(partition);
    if (replica !== undefined) return replica;
    if (host.disk.rows(partition).installed !== undefined) return undefined;
    if (this.targets.get(partition)?.replicas.includes(host.index) !== true) return undefined;
    // One that was named at creation waits to hear its name from the master.
    if (this.isNamed(partition)) return undefined;
    this.bear(partition, newInstalled(incarnation(this.world.random.hex(8))));
    return host.replicas.get(partition);
  }

  private isNamed(partition: number): boolean {
    const { configuration } = this.world.checker.ghost(partition);
    return (
      configuration === undefined ||
      memberOf(configuration.insync, this.host.index)?.store === this.host.store
    );
  }
}
