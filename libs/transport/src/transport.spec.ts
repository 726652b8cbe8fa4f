import { once } from 'node:events';
import { connect } from 'node:net';

import { afterEach, describe, expect, it } from '@jest/globals';

import { Host, grantingServer, helloOf, identityOf } from '../test/fixtures.js';
import { Cleanup, until } from '../test/until.js';
import type { EndpointOptions } from './endpoint.js';
import { encodeHello } from './hello.js';
import type { Hello } from './hello.js';
import { PEER_PATH, UPGRADE_PROTOCOL } from './hello.js';
import type { Consumer, PeerConnection } from './peer-connection.js';
import { describeEvent, isTrouble } from './peer-event.js';

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const SILENT_CONSUMER: Consumer = { onMessage: () => undefined, onClose: () => undefined };

/** Worker `index`, which serves the channel `test`. */
async function worker(index: number, options: Partial<EndpointOptions> = {}): Promise<Host> {
  const host = await new Host(options.identity ?? identityOf(index), options).listen(cleanup);
  host.transport.serve('test', () => SILENT_CONSUMER);
  return host;
}

/** Makes `from` dial `to` as worker `index`, eagerly. */
function dialFrom(from: Host, index: number, to: { address: Host['address'] }, channel = 'test') {
  const links = from.transport.links(channel, { eager: true }, () => SILENT_CONSUMER);
  links.follow([[index, to.address]]);
  const link = links.get(index);
  if (link === undefined) throw new Error('a link is made for every address');
  return link;
}

/** Sends one HTTP request and reads the whole answer. */
async function rawAnswer(host: Host, request: string): Promise<string> {
  const socket = connect(host.address.port, '127.0.0.1');
  cleanup.add(() => socket.destroy());
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.write(request);
  await once(socket, 'end');
  socket.destroy();
  return answer;
}

function upgradeRequest(hello: string, path: string = PEER_PATH): string {
  return (
    `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n` +
    `DistStore-Hello: ${hello}\r\n\r\n`
  );
}

describe('a handshake', () => {
  it('opens one connection per channel, and both sides know each other', async () => {
    const one = await worker(1, { features: ['a', 'b'] });
    const seen: PeerConnection[] = [];
    const two = await new Host(identityOf(2), { features: ['b', 'c'] }).listen(cleanup);
    for (const channel of ['test', 'beacons']) {
      two.transport.serve(channel, (connection) => {
        seen.push(connection);
        return SILENT_CONSUMER;
      });
      dialFrom(one, 2, two, channel);
    }
    await until(() => one.transport.connections.size === 2 && seen.length === 2, 'both channels');
    expect(seen.map(({ channel }) => channel).sort()).toEqual(['beacons', 'test']);
    expect(seen.map(({ peer, direction }) => [peer.worker, peer.boot, direction])).toEqual([
      [1, 1, 'incoming'],
      [1, 1, 'incoming'],
    ]);
    expect([...one.transport.connections].map(({ peer, direction }) => [peer.worker, direction])).toEqual([
      [2, 'outgoing'],
      [2, 'outgoing'],
    ]);
    for (const connection of [...seen, ...one.transport.connections])
      expect([...connection.features, connection.protocol]).toEqual(['b', 1]);
    expect(one.eventsOf('opened').map(describeEvent)).toContain(
      'The outgoing test link with worker 2 is open (its boot 1).',
    );
  });

  it.each<[string, Partial<EndpointOptions>, string, string]>([
    [
      'another cluster',
      { identity: identityOf(2, { cluster: 'd'.repeat(32) }) },
      'wrong-cluster',
      'worker 1 is of cluster cccc',
    ],
    [
      'another worker',
      { identity: identityOf(3) },
      'wrong-worker',
      'worker 2 was meant, but this is worker 3',
    ],
    ['a host that says no', { admit: () => 'worker 1 was removed' }, 'not-admitted', 'worker 1 was removed'],
    [
      'too many connections',
      { limits: { incomingMax: 1 } },
      'too-many',
      '1 peer connections are open already',
    ],
  ])('with %s is refused, and both logs say why', async (_who, options, code, detail) => {
    const one = await worker(1);
    const two = await worker(2, options);
    if (code === 'too-many') {
      dialFrom(await worker(4), 2, two);
      await until(() => two.transport.connections.size === 1, 'the first connection');
    }
    const link = dialFrom(one, 2, two);
    await until(
      () => one.eventsOf('dial-failed').length > 0 && two.eventsOf('refused').length > 0,
      'both logs',
    );
    expect(two.eventsOf('refused')).toEqual([
      expect.objectContaining({ direction: 'incoming', code, detail: expect.stringContaining(detail) }),
    ]);
    expect(one.eventsOf('dial-failed')).toEqual([
      expect.objectContaining({ worker: 2, channel: 'test', detail: expect.stringContaining(detail) }),
    ]);
    expect(link.state.lastReason).toContain(detail);
    // It goes on trying, but says so once.
    await until(() => one.transport.counters.of('test').dialsFailed >= 3, 'more attempts');
    expect(one.eventsOf('dial-failed')).toHaveLength(1);
    expect(two.eventsOf('refused')).toHaveLength(1);
    expect(two.transport.counters.refusals).toBeGreaterThanOrEqual(3);
  });

  it('for a channel that is not served is refused', async () => {
    const [one, two] = [await worker(1), await worker(2)];
    dialFrom(one, 2, two, 'snapshots');
    await until(() => one.eventsOf('dial-failed').length > 0, 'the refusal');
    expect(one.log).toContain('channel snapshots is not served here');
    expect(two.log).toContain('unknown-channel');
    // A channel that a peer made up is not counted as one.
    expect([...two.transport.counters.channels.keys()]).toEqual([]);
  });

  it('with an earlier boot of a store, or another process on the same boot, is refused', async () => {
    const two = await worker(2);
    const current = await worker(1, { identity: identityOf(1, { boot: 7 }) });
    dialFrom(current, 2, two);
    await until(() => two.transport.connections.size === 1, 'the current boot');
    const earlier = await worker(1, { identity: identityOf(1, { boot: 6 }) });
    const copy = await worker(1, { identity: identityOf(1, { boot: 7, nonce: 'b'.repeat(16) }) });
    dialFrom(earlier, 2, two);
    dialFrom(copy, 2, two);
    await until(() => two.eventsOf('refused').length === 2, 'both refusals');
    await until(() => earlier.log.includes('boot 7 has been seen'), 'the log of the earlier');
    await until(
      () => copy.log.includes('is another process than the one seen with boot 7'),
      'the log of the copy',
    );
    expect(two.transport.connections.size).toBe(1);
  });

  it('with a later boot ends what the earlier one had', async () => {
    const two = await worker(2);
    const earlier = await worker(1, { identity: identityOf(1, { boot: 6 }) });
    dialFrom(earlier, 2, two);
    dialFrom(two, 1, earlier);
    await until(() => two.transport.connections.size === 2, 'both directions');
    const later = await worker(1, { identity: identityOf(1, { boot: 7 }) });
    dialFrom(later, 2, two);
    await until(() => two.eventsOf('closed').length >= 2, 'the earlier ones end');
    // One made way for the later connection of its channel, the other for the later boot.
    expect(two.log).toContain('boot 7 of the same store has been seen');
    await until(() => two.log.includes('boot 6 of store'), 'the earlier boot is refused from now on');
    expect([...two.transport.connections].map(({ peer }) => peer.boot)).toEqual([7]);
  });

  it('of a channel that is open already replaces the old connection', async () => {
    const two = await worker(2);
    const one = await worker(1);
    const first = dialFrom(one, 2, two);
    await until(() => first.current !== undefined, 'the first');
    const before = first.current;
    const again = new Host(identityOf(1));
    cleanup.add(() => again.stop());
    const second = dialFrom(again, 2, two);
    await until(() => second.current !== undefined && first.current !== before, 'the second');
    expect(one.log).toContain('the peer has opened another connection for the same channel');
  });

  it.each<[string, Partial<Hello>, string]>([
    ['another worker', { worker: 3 }, 'worker 2 was dialled, but worker 3 answers'],
    ['another cluster', { cluster: 'd'.repeat(32) }, 'worker 2 is of cluster dddd'],
    ['a later version', { protocolMin: 2, protocolMax: 2 }, 'speaks protocol versions 2 to 2'],
    ['who means somebody else', { to: 9 }, 'worker 9 was meant, but this is worker 1'],
  ])('answered by %s is refused by the dialling side, which tells it why', async (_who, changes, detail) => {
    const one = await worker(1);
    const server = await grantingServer(cleanup, helloOf(changes));
    const link = dialFrom(one, 2, server);
    let heard = '';
    await until(() => server.sockets.length > 0, 'the attempt');
    server.sockets[0]?.on('data', (chunk: Buffer) => (heard += chunk.toString('latin1')));
    await until(() => heard.includes(detail), 'the refusal frame');
    expect(one.eventsOf('refused')[0]).toMatchObject({ direction: 'outgoing', from: 'worker 2' });
    expect(link.current).toBeUndefined();
    expect(link.state.lastReason).toContain(detail);
  });

  it('that the dialling side refuses is in the log of the other, with the reason', async () => {
    const one = await worker(1, { admit: () => 'worker 2 is unknown to the map' });
    const two = await worker(2);
    dialFrom(one, 2, two);
    await until(() => two.eventsOf('closed').length > 0, 'the refusal');
    const [closed] = two.eventsOf('closed');
    expect(closed).toMatchObject({
      reason: { code: 'refused-by-peer', detail: 'worker 2 is unknown to the map' },
    });
    expect(closed !== undefined && isTrouble(closed)).toBe(true);
  });
});

describe('a request for an upgrade', () => {
  it.each([
    ['no hello', upgradeRequest(''), '400', 'the hello is not JSON'],
    ['a hello of noise', upgradeRequest('{"worker":{}}'), '400', 'protocolMin is not'],
    ['another path', upgradeRequest(encodeHello(helloOf({ worker: 3 })), '/'), '400', 'on GET /peer only'],
    [
      'another version',
      upgradeRequest(encodeHello(helloOf({ protocolMin: 9, protocolMax: 9 }))),
      '409',
      'versions',
    ],
  ])('with %s is answered by a problem', async (_what, request, status, detail) => {
    const host = await worker(1);
    const answer = await rawAnswer(host, request);
    const [head, body] = answer.split('\r\n\r\n');
    expect(head).toContain(`HTTP/1.1 ${status} `);
    expect(head).toContain('application/problem+json');
    expect(JSON.parse(body ?? '')).toMatchObject({
      status: Number(status),
      detail: expect.stringContaining(detail),
    });
    expect(host.eventsOf('refused')).toHaveLength(1);
  });

  it('whose sender is gone at once harms nobody', async () => {
    const host = await worker(1);
    const socket = connect(host.address.port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write(upgradeRequest(encodeHello(helloOf())), () => socket.resetAndDestroy());
    await until(() => host.eventsOf('closed').length > 0, 'it is gone');
    expect(host.transport.connections.size).toBe(0);
  });
});

describe('Transport.close', () => {
  it('closes both directions in order, and refuses who comes later', async () => {
    const [one, two] = [await worker(1), await worker(2)];
    const outgoing = dialFrom(one, 2, two);
    const incoming = dialFrom(two, 1, one);
    await until(() => one.transport.connections.size === 2 && two.transport.connections.size === 2, 'both');
    await one.transport.close(1_000);
    expect(one.transport.connections.size).toBe(0);
    expect(one.eventsOf('closed').filter(isTrouble)).toEqual([]);
    expect(outgoing.state.status).toBe('closed');
    await until(() => two.log.includes('worker 1 is shutting down'), 'the refusal');
    expect(incoming.state.status).not.toBe('open');
    await one.transport.close(1_000);
  });
});
