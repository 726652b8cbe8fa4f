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
  const first = workers.find(({ state }) => state === 'serving')?.urls.http;
  const hint =
    first === undefined
      ? [`Create a worker:  curl ${masterUrl}/worker/1`]
      : [
          `Store a value:  curl -X PUT ${first}/put/greeting/hello`,
          `Read it back:   curl ${first}/get/greeting`,
        ];
  return ['', ...lines, '', ...hint.map((line) => `  ${line}`), '  Stop with Ctrl-C.', ''].join('\n');
}
