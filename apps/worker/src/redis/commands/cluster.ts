/**
 * CLUSTER: the cluster map in Redis's words. On the gateway port, as on a Redis without cluster mode, an error.
 * Source: https://redis.io/docs/latest/commands/?group=cluster
 */
import { parseInt64 } from '@diststore/base';
import { type PartitionId, SLOT_COUNT, slotOf } from '@diststore/cluster';
import { CLUSTER_DISABLED_ERROR, INTEGER_ERROR, type ReplyEncoder } from '@diststore/redis';

import type { Arguments, Connection, Implementation, Implementations, RedisPort } from '../implementation.js';
import { PAGE_KEYS_MAX, SLOT_SCAN_KEYS_MAX } from '../redis-limits.js';
import type { ClusterNode } from '../slot-map.js';

type Run = (connection: Connection, args: Arguments, out: ReplyEncoder) => void | Promise<void>;

function inCluster(run: Run): Implementation {
  return {
    kind: 'special',
    run: (connection, args, out) => {
      if (connection.port.mode === 'cluster') return run(connection, args, out);
      out.error(CLUSTER_DISABLED_ERROR.text);
    },
  };
}

/** Every node is its own shard, so a shard's id is made from its node's. */
function shardIdOf(nodeId: string): string {
  return Buffer.from(nodeId, 'hex').reverse().toString('hex');
}

function line({ id, address, busPort, isSelf, isUp, slots }: ClusterNode, epoch: number): string {
  const flags = `${isSelf ? 'myself,' : ''}master${isUp ? '' : ',fail'}`;
  const ranges = slots.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`));
  const state = isUp ? 'connected' : 'disconnected';
  return [id, `${address.host}:${address.port}@${busPort}`, flags, '-', 0, 0, epoch, state, ...ranges].join(
    ' ',
  );
}

const nodes: Run = ({ port }, _args, out) => {
  const epoch = port.slots.map?.version ?? 0;
  out.verbatim(
    'txt',
    port.slots
      .nodes()
      .map((node) => `${line(node, epoch)}\n`)
      .join(''),
  );
};

const slots: Run = ({ port }, _args, out) => {
  const ranges = port.slots.nodes().flatMap((node) => node.slots.map((range) => ({ node, range })));
  ranges.sort((a, b) => a.range.first - b.range.first);
  out.arrayHeader(ranges.length);
  for (const { node, range } of ranges) {
    out.arrayHeader(3);
    out.integer(range.first);
    out.integer(range.last);
    out.arrayHeader(4);
    out.bulk(node.address.host);
    out.integer(node.address.port);
    out.bulk(node.id);
    out.mapHeader(0);
  }
};

const shards: Run = ({ port }, _args, out) => {
  const all = port.slots.nodes();
  out.arrayHeader(all.length);
  for (const { id, address, isUp, slots: ranges } of all) {
    out.mapHeader(2);
    out.bulk('slots');
    out.arrayHeader(ranges.length * 2);
    for (const { first, last } of ranges) {
      out.integer(first);
      out.integer(last);
    }
    out.bulk('nodes');
    out.arrayHeader(1);
    out.mapHeader(7);
    const fields = { id, port: address.port, ip: address.host, endpoint: address.host, role: 'master' };
    for (const [name, value] of Object.entries(fields)) {
      out.bulk(name);
      if (typeof value === 'number') out.integer(value);
      else out.bulk(value);
    }
    out.bulk('replication-offset');
    out.integer(0);
    out.bulk('health');
    out.bulk(isUp ? 'online' : 'fail');
  }
};

const info: Run = ({ port }, _args, out) => {
  const { slots: map } = port;
  const all = map.nodes();
  const assigned = map.servedSlots;
  const epoch = map.map?.version ?? 0;
  const fields = {
    cluster_state: map.isWhole ? 'ok' : 'fail',
    cluster_slots_assigned: assigned,
    cluster_slots_ok: assigned,
    cluster_slots_pfail: 0,
    cluster_slots_fail: 0,
    cluster_known_nodes: all.length,
    cluster_size: all.filter((node) => node.slots.length > 0).length,
    cluster_current_epoch: epoch,
    cluster_my_epoch: epoch,
    cluster_stats_messages_sent: 0,
    cluster_stats_messages_received: 0,
    total_cluster_links_buffer_limit_exceeded: 0,
  };
  const text = Object.entries(fields).map(([name, value]) => `${name}:${value}\r\n`);
  out.verbatim('txt', text.join(''));
};

const replicas: Run = ({ port }, args, out) => {
  const id = (args[2] as Buffer).toString('latin1');
  if (port.slots.nodes().some((node) => node.id === id)) out.arrayHeader(0);
  else out.error(`ERR Unknown node ${(args[2] as Buffer).toString()}`);
};

/** The keys of one slot; a worker keeps keys by partition, so it looks at all of the slot's partition. */
async function keysOfSlot(
  port: RedisPort,
  slot: number,
  visit: (key: Buffer) => boolean,
): Promise<'complete' | 'too-many'> {
  const partition: PartitionId | undefined = port.slots.map?.partitions?.ofSlot(slot);
  if (partition === undefined || !port.slots.isHere(partition)) return 'complete';
  let from: Buffer | undefined = Buffer.alloc(0);
  for (let seen = 0; from !== undefined;) {
    if (seen >= SLOT_SCAN_KEYS_MAX) return 'too-many';
    const page = await port.keyspace.page(partition, from, undefined, {
      limit: PAGE_KEYS_MAX,
      keysOnly: true,
    });
    for (const { key } of page.records) if (slotOf(key) === slot && !visit(key)) return 'complete';
    seen += page.records.length;
    from = page.next;
  }
  return 'complete';
}

const TOO_MANY = `ERR the slot's partition has more than ${SLOT_SCAN_KEYS_MAX} keys, too many to look for those of one slot`;

const countKeysInSlot: Run = async ({ port }, args, out) => {
  const slot = parseInt64(args[2] as Buffer);
  if (slot === undefined) {
    out.error(INTEGER_ERROR.text);
    return;
  }
  if (slot < 0 || slot >= SLOT_COUNT) {
    out.error('ERR Invalid slot');
    return;
  }
  let count = 0;
  const outcome = await keysOfSlot(port, Number(slot), () => {
    count += 1;
    return true;
  });
  if (outcome === 'too-many') out.error(TOO_MANY);
  else out.integer(count);
};

const getKeysInSlot: Run = async ({ port }, args, out) => {
  const slot = parseInt64(args[2] as Buffer);
  const most = parseInt64(args[3] as Buffer);
  if (slot === undefined || most === undefined) {
    out.error(INTEGER_ERROR.text);
    return;
  }
  if (slot < 0 || slot >= SLOT_COUNT || most < 0) {
    out.error('ERR Invalid slot or number of keys');
    return;
  }
  const found: Buffer[] = [];
  const limit = Math.min(Number(most), SLOT_SCAN_KEYS_MAX);
  const outcome =
    limit === 0 ? 'complete' : await keysOfSlot(port, Number(slot), (key) => found.push(key) < limit);
  if (outcome === 'too-many') {
    out.error(TOO_MANY);
    return;
  }
  out.arrayHeader(found.length);
  for (const key of found) out.bulk(key);
};

export const clusterCommands: Implementations = {
  'cluster|slots': inCluster(slots),
  'cluster|shards': inCluster(shards),
  'cluster|nodes': inCluster(nodes),
  'cluster|info': inCluster(info),
  'cluster|myid': inCluster(({ port }, _args, out) => out.bulk(port.slots.selfId)),
  'cluster|myshardid': inCluster(({ port }, _args, out) => out.bulk(shardIdOf(port.slots.selfId))),
  'cluster|keyslot': inCluster((_connection, args, out) => out.integer(slotOf(args[2] as Buffer))),
  'cluster|replicas': inCluster(replicas),
  'cluster|countkeysinslot': inCluster(countKeysInSlot),
  'cluster|getkeysinslot': inCluster(getKeysInSlot),
  // Failover is the cluster's own business, and no node is a replica.
  'cluster|failover': inCluster((_connection, _args, out) =>
    out.error('ERR You should send CLUSTER FAILOVER to a replica'),
  ),
};
