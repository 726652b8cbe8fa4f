/** The cluster as a table for a terminal, and what to type first. */
import type { WorkerView } from './registry/worker-registry.js';

export function clusterTable(masterUrl: string, workers: readonly WorkerView[]): string {
  const rows = [
    ['master', masterUrl, 'serving', ''],
    ...workers.map(({ index, urls, state, keys }) => [`worker ${index}`, urls.http, state, `${keys} keys`]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
  const first = workers.find(({ state }) => state === 'serving')?.urls;
  const hint =
    first === undefined
      ? [`Create a worker:  curl ${masterUrl}/worker/1`]
      : [
          `Store a value:  curl -X PUT ${first.http}/put/greeting/hello`,
          `Read it back:   curl ${first.http}/get/greeting`,
          ...(first.redis === null ? [] : [`Or with Redis:  ${redisCli(first.redis)} get greeting`]),
        ];
  return ['', ...lines, '', ...hint.map((line) => `  ${line}`), '  Stop with Ctrl-C.', ''].join('\n');
}

/** How redis-cli is told where to go; it has no need of being told its own default. */
function redisCli(url: string): string {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  return `redis-cli ${host === '127.0.0.1' ? '' : `-h ${host} `}-p ${port}`;
}
