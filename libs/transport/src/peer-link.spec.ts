import { afterEach, describe, expect, it, jest } from '@jest/globals';

import { Host, grantingServer, helloOf, identityOf, systemClock } from '../test/fixtures.js';
import { Cleanup, until } from '../test/until.js';
import type { Consumer } from './peer-connection.js';
import type { LinkStatus, PeerLink } from './peer-link.js';
import type { PeerLinks } from './peer-links.js';

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A worker that keeps what it is sent on channel `test`. */
class Sink extends Host {
  readonly received: string[] = [];

  constructor(...args: ConstructorParameters<typeof Host>) {
    super(...args);
    this.transport.serve('test', () => ({
      onMessage: (message) => this.received.push(String(message)),
      onClose: () => undefined,
    }));
  }
}

const IGNORE: Consumer = { onMessage: () => undefined, onClose: () => undefined };

function linksOf(host: Host, eager: boolean): PeerLinks<PeerLink> {
  cleanup.add(() => host.stop());
  return host.transport.links('test', { eager }, () => IGNORE);
}

function get(links: PeerLinks<PeerLink>, worker: number): PeerLink {
  const link = links.get(worker);
  if (link === undefined) throw new Error(`no link to worker ${worker}`);
  return link;
}

describe('an eager link', () => {
  it('connects by itself, and again when the peer comes back', async () => {
    const two = await new Sink(identityOf(2)).listen(cleanup);
    const links = linksOf(new Host(identityOf(1)), true);
    links.follow([[2, two.address]]);
    const link = get(links, 2);
    expect(link.state).toMatchObject({ worker: 2, status: 'connecting', lastReason: undefined });
    await until(() => link.current !== undefined, 'the first connection');
    expect(link.state.status).toBe('open');
    expect(link.send(Buffer.from('before'))).toBeGreaterThan(0);
    await until(() => two.received.length === 1, 'the first message');

    await two.stop();
    await until(() => link.current === undefined, 'the loss');
    await until(() => link.state.lastReason === 'ECONNREFUSED', 'a failed attempt');
    expect(link.send(Buffer.from('lost'))).toBe(0);

    const again = new Sink(identityOf(2, { boot: 2, nonce: 'b'.repeat(16) }));
    await again.listen(cleanup, two.address.port);
    await until(() => link.current !== undefined, 'the second connection');
    expect(link.current?.peer.boot).toBe(2);
    link.send(Buffer.from('after'));
    await until(() => again.received.length === 1, 'the second message');
    expect(again.received).toEqual(['after']);
  });

  it('waits longer and longer between attempts', async () => {
    const waits: number[] = [];
    const host = new Host(identityOf(1), { random: () => (waits.push(1), 0), limits: { backoffMaxMs: 40 } });
    const links = linksOf(host, true);
    const gone = await new Sink(identityOf(2)).listen(cleanup);
    await gone.stop();
    const startMs = performance.now();
    links.follow([[2, gone.address]]);
    await until(() => waits.length === 5, 'five failures');
    // Halves of 5, 10, 20 and 40, since chance gives nothing.
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(2.5 + 5 + 10 + 20 - 4);
    expect(host.eventsOf('dial-failed')).toHaveLength(1);
  });

  it('says nothing of a peer that is only starting, and says so of one that stays away', async () => {
    let aheadMs = 0;
    const clock = { ...systemClock, monotonicNowMs: () => performance.now() + aheadMs };
    const host = new Host(identityOf(1), { clock, limits: { dialPatienceMs: 600_000 } });
    const gone = await new Sink(identityOf(2)).listen(cleanup);
    await gone.stop();
    linksOf(host, true).follow([[2, gone.address]]);
    const failures = (): number => host.transport.counters.of('test').dialsFailed;
    await until(() => failures() >= 3, 'three failures');
    expect(host.eventsOf('dial-failed')).toEqual([]);
    aheadMs = 600_000;
    await until(() => host.eventsOf('dial-failed').length === 1, 'it is said');
  });

  it('starts again with the shortest wait after a connection that lasted, and only then', async () => {
    let aheadMs = 0;
    const clock = { ...systemClock, monotonicNowMs: () => performance.now() + aheadMs };
    const timers = jest.spyOn(globalThis, 'setTimeout');
    cleanup.add(() => timers.mockRestore());
    // Halves of 6, 12, 24 and so on, which nobody else waits for.
    const waits = (): unknown[] =>
      timers.mock.calls.map(([, ms]) => ms).filter((ms) => ms === 3 || ms === 6 || ms === 12 || ms === 24);
    const host = new Host(identityOf(1), {
      clock,
      random: () => 0,
      limits: { backoffMinMs: 6, backoffMaxMs: 6_000 },
    });
    const two = await new Sink(identityOf(2)).listen(cleanup);
    const links = linksOf(host, true);
    links.follow([[2, two.address]]);
    const link = get(links, 2);
    for (const lastedMs of [0, 0, 10_000, 0]) {
      await until(() => link.current !== undefined && two.upgraded.length > 0, 'a connection');
      aheadMs += lastedMs;
      for (const socket of two.upgraded.splice(0)) socket.destroy();
      await until(() => link.current === undefined, 'its end');
    }
    expect(waits()).toEqual([3, 6, 3, 6]);
  });

  it('gives up an attempt that takes longer than handshakeTimeoutMs', async () => {
    const host = new Host(identityOf(1), { limits: { handshakeTimeoutMs: 30 } });
    const mute = await new Host(identityOf(2)).listen(cleanup);
    mute.server.removeAllListeners('upgrade');
    mute.server.on('upgrade', (_req, socket) => cleanup.add(() => socket.destroy()));
    const links = linksOf(host, true);
    links.follow([[2, mute.address]]);
    await until(() => get(links, 2).state.lastReason !== undefined, 'the timeout');
    expect(get(links, 2).state.lastReason).toBe('no answer within 30 ms');
  });

  it('says what a server answers that knows no peers', async () => {
    const host = new Host(identityOf(1));
    const other = await new Host(identityOf(2)).listen(cleanup);
    other.server.removeAllListeners('upgrade');
    const links = linksOf(host, true);
    links.follow([[2, other.address]]);
    await until(() => get(links, 2).state.lastReason !== undefined, 'the answer');
    expect(get(links, 2).state.lastReason).toBe('answered 404 instead of 101');
  });

  it.each([
    ['a port that is none', { host: '127.0.0.1', port: 70_000 }, 'not an address: ERR_SOCKET_BAD_PORT'],
    ['a host that is no text', { host: 'a\nb', port: 80 }, 'not an address: ERR_INVALID_CHAR'],
  ])('survives %s', async (_what, address, reason) => {
    const links = linksOf(new Host(identityOf(1)), true);
    links.follow([[2, address]]);
    const link = get(links, 2);
    await until(() => link.state.lastReason !== undefined, 'the failure');
    expect(link.state.lastReason).toBe(reason);
  });

  it('notices a peer that has gone silent, and dials again', async () => {
    const frozen = await grantingServer(cleanup, helloOf({ heartbeatMs: 1 }));
    const host = new Host(identityOf(1), { limits: { heartbeatMs: 10, silenceMs: 30 } });
    const links = linksOf(host, true);
    links.follow([[2, frozen.address]]);
    await until(() => frozen.sockets.length >= 2, 'the second attempt');
    expect(host.log).toContain('"code":"silent"');
    expect(host.transport.counters.of('test').silences).toBeGreaterThanOrEqual(1);
  });
});

describe('a link on demand', () => {
  it('connects when something is to be sent, and not before', async () => {
    const two = await new Sink(identityOf(2)).listen(cleanup);
    const host = new Host(identityOf(1));
    const links = linksOf(host, false);
    links.follow([[2, two.address]]);
    const link = get(links, 2);
    expect(link.state.status).toBe('idle');
    expect(link.send(Buffer.from('certainly not sent'))).toBe(0);
    expect(link.state.status).toBe('connecting');
    const opening = await link.opened();
    expect('connection' in opening).toBe(true);
    link.send(Buffer.from('sent'));
    await until(() => two.received.length === 1, 'the message');
    expect(two.received).toEqual(['sent']);
  });

  it('refuses at once while it waits, with the reason, and is ready for demand after that', async () => {
    const gone = await new Sink(identityOf(2)).listen(cleanup);
    await gone.stop();
    const links = linksOf(new Host(identityOf(1), { limits: { backoffMinMs: 20 } }), false);
    links.follow([[2, gone.address]]);
    const link = get(links, 2);
    const openings = await Promise.all([link.opened(), link.opened()]);
    expect(openings).toEqual([{ reason: 'ECONNREFUSED' }, { reason: 'ECONNREFUSED' }]);
    expect(link.state.status).toBe('waiting');
    expect(await link.opened()).toEqual({ reason: 'ECONNREFUSED' });
    await until(() => link.state.status === 'idle', 'the end of the wait');
  });
});

describe('PeerLinks', () => {
  it('follow the address book: who is new, has moved, is gone', async () => {
    const [two, twoMoved] = [new Sink(identityOf(2)), new Sink(identityOf(2))];
    const three = await new Sink(identityOf(3)).listen(cleanup);
    await two.listen(cleanup);
    await twoMoved.listen(cleanup);
    const host = new Host(identityOf(1));
    const links = linksOf(host, true);

    links.follow([
      [1, { host: '127.0.0.1', port: 1 }],
      [2, two.address],
      [3, three.address],
    ]);
    expect(links.get(1)).toBeUndefined();
    const [toTwo, toThree] = [get(links, 2), get(links, 3)];
    await until(() => toTwo.current !== undefined && toThree.current !== undefined, 'both');

    const before = toTwo.current;
    links.follow([[2, two.address]]);
    expect(toTwo.current).toBe(before);
    expect(links.get(3)).toBeUndefined();
    await until(() => toThree.current === undefined, 'the third is let go');
    expect(toThree.state.status).toBe('closed');
    expect(three.log).toContain('closed-by-peer');

    links.follow([[2, twoMoved.address]]);
    await until(() => toTwo.current !== undefined && toTwo.current !== before, 'the new address');
    toTwo.send(Buffer.from('hello'));
    await until(() => twoMoved.received.length === 1, 'the message');
    expect(get(links, 2)).toBe(toTwo);

    await links.close(1_000);
    links.follow([[3, three.address]]);
    expect(links.get(3)).toBeUndefined();
    expect([...links.all()].map((link): LinkStatus => link.state.status)).toEqual(['closed']);
  });

  it('follow a change of address while connecting and while waiting', async () => {
    const gone = await new Sink(identityOf(2)).listen(cleanup);
    await gone.stop();
    const two = await new Sink(identityOf(2)).listen(cleanup);
    const host = new Host(identityOf(1), { limits: { backoffMinMs: 60_000, backoffMaxMs: 60_000 } });
    const links = linksOf(host, true);
    links.follow([[2, gone.address]]);
    const link = get(links, 2);
    await until(() => link.state.status === 'waiting', 'a long wait');
    links.follow([[2, { host: '127.0.0.1', port: gone.address.port + 1 }]]);
    expect(link.state.status).toBe('connecting');
    links.follow([[2, two.address]]);
    expect('connection' in (await link.opened())).toBe(true);
  });
});
