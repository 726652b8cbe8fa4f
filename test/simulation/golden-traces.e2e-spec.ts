/**
 * What the replicas of one partition say to each other in the ordinary course of things, as text for people to review.
 * After an intended change, write them anew: `UPDATE_GOLDEN=1 npm test -- golden`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { Scenario } from '@diststore/testing';

const folder = import.meta.dirname;

function expectTrace(name: string, scenario: Scenario): void {
  const path = join(folder, `${name}.txt`);
  const text = scenario.text();
  if (process.env['UPDATE_GOLDEN'] !== undefined || !existsSync(path)) writeFileSync(path, text);
  expect(text).toBe(readFileSync(path, 'utf8'));
}

describe('golden traces', () => {
  it('life of a write: durable everywhere, committed, answered, applied', () => {
    const scenario = new Scenario({ workers: 3, replicas: 3 }).begin('life of a write');
    scenario.put(1, '0/0', 1).run(40);
    scenario.say('the commit point travels with the next beacon').run(200);
    expectTrace('life-of-a-write', scenario);
  });

  it('failover: the secondary whose promise ends first takes over', () => {
    const scenario = new Scenario({ workers: 3, replicas: 3 });
    scenario.put(1, '0/0', 1).run(300);
    scenario.begin('failover').say('worker 1 crashes');
    scenario.worker(1).crash();
    scenario.run(1800);
    scenario.say('a write to the new primary').put(2, '0/0', 2).run(100);
    expectTrace('failover', scenario);
  });

  it('catch-up: one that fell behind a little gets what it lacks, one that lost its disk gets a snapshot', () => {
    const scenario = new Scenario({ workers: 3, replicas: 3, smallLogs: true });
    for (let i = 1; i <= 5; i += 1) scenario.put(1, '0/0', i).run(50);
    scenario.begin('catch-up').say('worker 3 crashes, writes go on without it');
    scenario.worker(3).crash();
    scenario.run(1200).put(1, '0/1', 10).run(50);
    scenario.say('worker 3 comes back');
    scenario.worker(3).start();
    scenario.run(600);
    scenario.say('worker 3 loses its disk and comes back');
    scenario.worker(3).crash();
    scenario.worker(3).wipe();
    scenario.mute();
    for (let i = 1; i <= 40; i += 1) scenario.put(1, '0/1', i).run(i === 1 ? 1200 : 30);
    scenario.say('worker 3 starts, forty writes later');
    scenario.worker(3).start();
    scenario.run(700);
    expectTrace('catch-up', scenario);
  });

  it('hand-over: the primary stops, and only then passes its role on', () => {
    const scenario = new Scenario({ workers: 3, replicas: 3 });
    scenario.put(1, '0/0', 1).run(300).begin('hand-over');
    scenario.worker(1).handover(0);
    scenario.run(100).put(2, '0/0', 2).run(60);
    expectTrace('hand-over', scenario);
  });
});
