/** Passing the primary role on, step by step: what a primary asks, holds back and gives up, and when. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { proposalId, workerIndex } from '@diststore/cluster';
import type { Configuration, Member, Target } from '@diststore/cluster';

import { configuration as configurationOf, member, ver } from '../../../cluster/test/fixtures.js';
import { putOf, replicaOf } from '../../test/fixtures.js';
import type { Seq } from '../entry.js';
import type { Message } from '../message.js';
import type { Replica } from '../replica.js';
import type { Effect, ReplicaEvent, Role } from '../replica-event.js';
import { TIMINGS } from '../timing.js';

const TIMING = TIMINGS.default;
const DRAIN_MS = TIMING.handoverDrainMs;
const BOOT = 1;

const SELF = member(1);
const OTHER = member(2);
const THIRD = member(3);

const CREATED: Configuration = configurationOf({
  ...ver(1, 1),
  insync: [SELF, OTHER, THIRD],
  minInSync: 2,
  kind: 'create',
  proposalId: proposalId('c'.repeat(16)),
});

/** @param preferred to lead; later ones are newer, of those that prefer less. */
function targetOf(preferred: number): Target {
  const replicas = CREATED.insync.map(({ worker }) => worker);
  return { rev: 3 - preferred, replicas, preferredPrimary: workerIndex(preferred) };
}

/** A primary of three, its disk, and two secondaries that answer at once; acknowledgements may be kept back. */
class Primary {
  private readonly replica: Replica;
  private nowMs = 0;
  /** Tokens of the questions to the master, in order. */
  readonly asked: number[] = [];
  readonly proposed: string[] = [];
  readonly replies: string[] = [];
  isAcknowledging = true;
  private keptBack: Seq = 0;

  constructor(configuration = CREATED, { isNewStore = true } = {}) {
    this.replica = replicaOf(SELF, { isNewStore });
    this.step({ type: 'start' });
    this.step({ type: 'configuration', configuration });
  }

  get role(): Role {
    return this.replica.status.role;
  }

  step(event: ReplicaEvent): Effect[] {
    const effects = this.replica.step(event, { nowMs: this.nowMs, clockSane: true });
    for (const effect of effects) this.perform(effect);
    return effects;
  }

  /** The master has said yes to the question of this token; by default the newest. */
  answer(token = this.asked.at(-1) ?? 0): Effect[] {
    return this.step({ type: 'masterAnswered', token });
  }

  /** @returns what the client is told at once; undefined while it waits. */
  put(): string | undefined {
    const before = this.replies.length;
    this.step(putOf('k'));
    this.step({ type: 'flush' });
    return this.replies[before];
  }

  /** The acknowledgements that were kept back arrive after all. */
  acknowledge(): void {
    for (const from of [OTHER, THIRD])
      this.tell({ type: 'prepared', ver: CREATED, durable: this.keptBack }, from);
  }

  tell(message: Message, from: Member): void {
    this.step({ type: 'message', from, message });
  }

  /** Time passes, with ticks, and with beacons that these accept. */
  pass(ms: number, { heard = [OTHER, THIRD], masterReachable = true } = {}): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs = Math.min(endMs, this.nowMs + 50);
      for (const from of heard)
        this.step({ type: 'beaconAccepted', from, ver: CREATED, sentAtMs: this.nowMs, boot: BOOT });
      this.step({ type: 'tick', wallMs: 1000, masterReachable });
    }
  }

  /** Time passes, and nothing is done in it. */
  stall(ms: number): void {
    this.nowMs += ms;
  }

  private perform(effect: Effect): void {
    switch (effect.type) {
      case 'persist':
        this.step({ type: 'persisted', number: effect.number, ver: effect.ver });
        return;
      case 'send':
        this.answerFor(effect.to === OTHER.worker ? OTHER : THIRD, effect.message);
        return;
      case 'reply':
        this.replies.push(effect.reply.type);
        return;
      case 'propose':
        this.proposed.push(effect.proposal.kind);
        return;
      case 'askMaster':
        this.asked.push(effect.token);
        return;
      default:
    }
  }

  private answerFor(from: Member, message: Message): void {
    if (message.type === 'install') {
      const { log, sentAtMs, boot } = message;
      this.tell({ type: 'installed', ver: CREATED, match: log.last, snapshotId: 0, sentAtMs, boot }, from);
    } else if (message.type === 'prepare') {
      this.keptBack = message.entries.at(-1)?.seq ?? this.keptBack;
      if (this.isAcknowledging) this.tell({ type: 'prepared', ver: CREATED, durable: this.keptBack }, from);
    }
  }
}

describe('a hand-over', () => {
  let primary: Primary;

  beforeEach(() => {
    primary = new Primary();
    expect(primary.put()).toBe('ok');
  });

  function askFor(): void {
    primary.step({ type: 'handover', to: OTHER.worker });
  }

  /** With one write under way that is not acknowledged yet. */
  function drain(): void {
    primary.isAcknowledging = false;
    expect(primary.put()).toBeUndefined();
    askFor();
    primary.answer();
    expect(primary.put()).toBe('retry-later');
  }

  it('serves until the master has answered, and then stops and proposes in one step', () => {
    askFor();
    expect(primary.asked).toHaveLength(1);
    expect(primary.role).toBe('primary');
    expect(primary.put()).toBe('ok');
    const effects = primary.answer();
    expect(effects.map(({ type }) => type)).toEqual(['role', 'propose']);
    expect(primary.role).toBe('stopping');
    expect(primary.proposed).toEqual(['handover']);
    expect(primary.put()).toBe('retry-later');
  });

  it('lets writes under way commit, and asks the master again before it stops', () => {
    drain();
    expect(primary.role).toBe('primary');
    primary.acknowledge();
    expect(primary.replies).toContain('ok');
    expect(primary.asked).toHaveLength(2);
    expect(primary.role).toBe('primary');
    primary.answer();
    expect(primary.role).toBe('stopping');
    expect(primary.proposed).toEqual(['handover']);
  });

  it('serves while the master does not answer, and asks it once in a while', () => {
    askFor();
    primary.pass(3 * DRAIN_MS - 50);
    expect(primary.asked).toHaveLength(3);
    expect(primary.put()).toBe('ok');
    expect(primary.proposed).toEqual([]);
    primary.answer();
    expect(primary.role).toBe('stopping');
  });

  it('asks nothing of a master that is known to be away', () => {
    primary.pass(50, { masterReachable: false });
    askFor();
    primary.pass(3 * DRAIN_MS, { masterReachable: false });
    expect(primary.asked).toEqual([]);
  });

  it('admits writes again when it has drained and the master does not answer', () => {
    drain();
    primary.acknowledge();
    primary.isAcknowledging = true;
    primary.pass(DRAIN_MS - 50);
    expect(primary.put()).toBe('retry-later');
    primary.pass(50);
    expect(primary.put()).toBe('ok');
    primary.answer();
    expect(primary.role).toBe('primary');
    expect(primary.proposed).toEqual([]);
  });

  it('takes no answer to a question that it has given up', () => {
    askFor();
    primary.step({ type: 'stay' });
    askFor();
    primary.pass(DRAIN_MS);
    expect(primary.asked).toHaveLength(3);
    const [called, late, newest] = primary.asked;
    primary.answer(called);
    primary.answer(late);
    expect(primary.role).toBe('primary');
    primary.answer(newest);
    expect(primary.role).toBe('stopping');
  });

  it('asks again when the answer comes after a stall, in which the master may have died', () => {
    askFor();
    primary.stall(DRAIN_MS);
    primary.answer();
    expect(primary.role).toBe('primary');
    expect(primary.asked).toHaveLength(2);
    primary.answer();
    expect(primary.role).toBe('stopping');
  });

  it('is proposed once in a version', () => {
    askFor();
    const [token] = primary.asked;
    primary.answer(token);
    askFor();
    primary.answer(token);
    expect(primary.asked).toEqual([token]);
    expect(primary.proposed).toEqual(['handover']);
  });

  it('is not made by one who may not serve any more by the time that the master answers', () => {
    askFor();
    primary.pass(TIMING.leaseMs, { heard: [OTHER] });
    primary.answer();
    expect(primary.role).toBe('primary');
  });

  it('is not for one who still waits out what it promised an earlier primary', () => {
    primary = new Primary({ ...CREATED, kind: 'promote' }, { isNewStore: false });
    askFor();
    primary.pass(TIMING.graceMs - 50);
    expect(primary.asked).toEqual([]);
    primary.pass(50);
    expect(primary.asked).toHaveLength(1);
  });

  it('is not proposed beside what else was proposed while it drained', () => {
    drain();
    primary.tell({ type: 'leave', ver: CREATED }, THIRD);
    expect(primary.proposed).toEqual(['leave']);
    primary.acknowledge();
    primary.answer();
    expect(primary.role).toBe('primary');
    expect(primary.proposed).toEqual(['leave']);
  });

  it('is not to one who has asked to leave while it drained', () => {
    primary = new Primary({ ...CREATED, minInSync: 3 });
    drain();
    primary.tell({ type: 'leave', ver: CREATED }, OTHER);
    primary.acknowledge();
    primary.answer();
    expect(primary.role).toBe('primary');
    expect(primary.proposed).toEqual([]);
  });

  it('is not made for a preference that has changed while it drained', () => {
    primary.step({ type: 'target', target: targetOf(2) });
    primary.pass(11 * DRAIN_MS);
    primary.isAcknowledging = false;
    primary.put();
    primary.answer();
    expect(primary.put()).toBe('retry-later');
    primary.step({ type: 'target', target: targetOf(1) });
    primary.acknowledge();
    primary.answer();
    expect(primary.role).toBe('primary');
  });
});
