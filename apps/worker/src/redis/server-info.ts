/** INFO: what a server tells of itself, in sections, with the names that monitoring of Redis reads. */
import os from 'node:os';

import { VERSION } from '@diststore/base';
import type { RedisPort } from './implementation.js';

/** The Redis whose behaviour these ports have: some clients choose their commands by it. */
export const REDIS_VERSION = '7.2.4';

/** Known before the sections are written, because counting may ask other workers. */
export interface InfoFacts {
  readonly keys: number;
}

type Section = readonly (readonly [string, string | number])[];

/** By name, in the order of Redis; those of DEFAULT_SECTIONS unless others are asked for. */
const SECTIONS: Readonly<Record<string, (port: RedisPort, facts: InfoFacts) => Section>> = {
  Server: (port) => {
    const uptimeSeconds = Math.floor((performance.now() - port.startedMs) / 1000);
    return [
      ['redis_version', REDIS_VERSION],
      ['diststore_version', VERSION],
      ['redis_mode', port.mode === 'cluster' ? 'cluster' : 'standalone'],
      ['os', `${os.type()} ${os.release()} ${os.arch()}`],
      ['arch_bits', 64],
      ['process_id', process.pid],
      ['run_id', port.runId],
      ['tcp_port', port.port],
      ['server_time_usec', port.context.nowMs * 1000],
      ['uptime_in_seconds', uptimeSeconds],
      ['uptime_in_days', Math.floor(uptimeSeconds / 86_400)],
      ['hz', 1],
      ['executable', process.execPath],
      ['config_file', ''],
    ];
  },
  Clients: (port) => {
    const connections = port.connections();
    const largest = (bytesOf: (connection: (typeof connections)[number]) => number): number =>
      connections.reduce((most, connection) => Math.max(most, bytesOf(connection)), 0);
    return [
      ['connected_clients', connections.length],
      ['maxclients', port.maxClients],
      ['client_recent_max_input_buffer', largest(({ pendingInputBytes }) => pendingInputBytes)],
      ['client_recent_max_output_buffer', largest(({ outputBytes }) => outputBytes)],
      ['blocked_clients', connections.filter(({ isPaused }) => isPaused).length],
      ['tracking_clients', 0],
    ];
  },
  Memory: () => {
    const { heapUsed, rss, external } = process.memoryUsage();
    const used = heapUsed + external;
    return [
      ['used_memory', used],
      ['used_memory_human', human(used)],
      ['used_memory_rss', rss],
      ['used_memory_rss_human', human(rss)],
      ['total_system_memory', os.totalmem()],
      ['total_system_memory_human', human(os.totalmem())],
      ['maxmemory', 0],
      ['maxmemory_human', '0B'],
      ['maxmemory_policy', 'noeviction'],
      ['mem_allocator', 'v8'],
    ];
  },
  Persistence: () => [
    ['loading', 0],
    ['rdb_changes_since_last_save', 0],
    ['rdb_bgsave_in_progress', 0],
    ['rdb_last_bgsave_status', 'ok'],
    ['aof_enabled', 1],
    ['aof_rewrite_in_progress', 0],
    ['aof_last_write_status', 'ok'],
  ],
  Stats: ({ statistics }) => [
    ['total_connections_received', statistics.connections],
    ['total_commands_processed', statistics.commands],
    ['total_net_input_bytes', statistics.inputBytes],
    ['total_net_output_bytes', statistics.outputBytes],
    ['rejected_connections', statistics.rejectedConnections],
    ['expired_keys', 0],
    ['evicted_keys', 0],
    ['keyspace_hits', statistics.keyHits],
    ['keyspace_misses', statistics.keyMisses],
    ['pubsub_channels', 0],
    ['total_error_replies', statistics.errorReplies],
    ['protocol_errors', statistics.protocolErrors],
  ],
  Replication: (port) => [
    ['role', 'master'],
    ['connected_slaves', 0],
    ['master_failover_state', 'no-failover'],
    ['master_replid', port.runId],
    ['master_repl_offset', 0],
  ],
  CPU: () => {
    const { user, system } = process.cpuUsage();
    return [
      ['used_cpu_sys', (system / 1e6).toFixed(6)],
      ['used_cpu_user', (user / 1e6).toFixed(6)],
    ];
  },
  Modules: () => [],
  Commandstats: ({ commands }) =>
    commands
      .all()
      .filter(({ calls }) => calls > 0)
      .map(({ command, calls, totalMs, failedCalls, rejectedCalls }) => {
        const micros = Math.round(totalMs * 1000);
        const each = (micros / calls).toFixed(2);
        const value = `calls=${calls},usec=${micros},usec_per_call=${each},rejected_calls=${rejectedCalls},failed_calls=${failedCalls}`;
        return [`cmdstat_${command.fullName}`, value] as const;
      }),
  Errorstats: () => [],
  Cluster: ({ mode }) => [['cluster_enabled', mode === 'cluster' ? 1 : 0]],
  Keyspace: (_server, { keys }) => (keys === 0 ? [] : [['db0', `keys=${keys},expires=0,avg_ttl=0`]]),
};

/** Sections that only `all` and `everything`, or their own name, show. */
const EXTRA_SECTIONS = ['Commandstats'];

/** @param names as the client sent them; none = the default sections. Unknown ones are left out. */
export function describeServer(port: RedisPort, names: readonly string[], facts: InfoFacts): string {
  const wanted = names.map((name) => name.toLowerCase());
  const all = wanted.includes('all') || wanted.includes('everything');
  const standard = wanted.length === 0 || wanted.includes('default');
  const chosen = Object.entries(SECTIONS).filter(
    ([name]) => all || (standard && !EXTRA_SECTIONS.includes(name)) || wanted.includes(name.toLowerCase()),
  );
  return chosen
    .map(([name, section]) => {
      const lines = section(port, facts).map(([field, value]) => `${field}:${value}\r\n`);
      return `# ${name}\r\n${lines.join('')}`;
    })
    .join('\r\n');
}

function human(bytes: number): string {
  const units = ['B', 'K', 'M', 'G', 'T'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${bytes}B` : `${value.toFixed(2)}${units[unit] as string}`;
}
