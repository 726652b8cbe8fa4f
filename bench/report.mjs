/** Results as text: a line for each row while the run goes on, and at its end one table, in Markdown. */

import { isRate } from './rounds.mjs';

/** A load generator that is busier than this may have measured itself. */
const LOAD_CPU_MAX = 0.95;

const COLUMNS = [
  {
    heading: 'Workload',
    cell: ({ title, unit }, _result, index) => (index === 0 ? `${title}, ${unit}` : ''),
  },
  { heading: 'Contestant', cell: (_row, { name }) => name },
  { heading: 'Median', right: true, cell: ({ unit }, result) => valueText(result, unit) },
  { heading: 'Spread', right: true, cell: (_row, { value }) => spreadText(value) },
  { heading: 'p50 ms', right: true, cell: (_row, { p50Ms }) => significant(p50Ms) },
  { heading: 'p99 ms', right: true, cell: (_row, { p99Ms }) => significant(p99Ms) },
  { heading: 'Ours ÷ this', right: true, cell: (_row, { ratio }) => ratioText(ratio) },
  { heading: 'Target', right: true, cell: (_row, { target }) => targetText(target) },
  { heading: 'CPU µs each', right: true, cell: (_row, result) => cpuText(result) },
  { heading: 'Server CPU', right: true, cell: (_row, { serverCpu }) => percent(serverCpu) },
  { heading: 'Load CPU', right: true, cell: (_row, { loadCpu }) => percent(loadCpu) },
];

/** What a finished row has shown, in one line. */
export function outcome({ unit, results }) {
  const [ours, ...others] = results;
  const ratios = others
    .filter(({ ratio }) => ratio !== undefined)
    .map(({ name, ratio }) => `${significant(ratio.median)} × ${name}`);
  return [`${valueText(ours, unit)} ${unit}`, ...ratios].join(', ');
}

/** @param rows each with title, unit and results; see measureRow for a result. */
export function table(rows) {
  const body = rows.flatMap((row) =>
    row.results.map((result, index) => COLUMNS.map(({ cell }) => cell(row, result, index))),
  );
  const headings = COLUMNS.map(({ heading }) => heading);
  const widths = headings.map((_heading, i) =>
    Math.max(...[headings, ...body].map((line) => line[i].length)),
  );
  const rule = COLUMNS.map(({ right }, i) =>
    right ? `${'-'.repeat(widths[i] - 1)}:` : '-'.repeat(widths[i]),
  );
  const line = (cells) =>
    `| ${cells.map((cell, i) => (COLUMNS[i].right ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join(' | ')} |`;
  return [headings, rule, ...body].map(line).join('\n');
}

/** What the table's columns mean, as far as it holds anything that needs saying. */
export function legend(rows) {
  const results = rows.flatMap((row) => row.results);
  return [
    'Spread: (largest - smallest) / median over the rounds. Ours ÷ this: median of the ratios within a round (smallest–largest).',
    'CPU µs each: processor time of the server per request, which other programs disturb least.',
    ...(results.some(saturatesLoad)
      ? ['*: the load generator was busy all the time, so the server may be faster.']
      : []),
  ].join('\n');
}

function valueText(result, unit) {
  const { median } = result.value;
  const text = isRate(unit) ? Math.round(median).toLocaleString('en') : significant(median);
  return saturatesLoad(result) ? `${text}*` : text;
}

function saturatesLoad({ loadCpu }) {
  return loadCpu > LOAD_CPU_MAX;
}

function spreadText({ median, min, max }) {
  return min === max ? '' : percent((max - min) / median);
}

function ratioText(ratio) {
  return ratio === undefined
    ? ''
    : `${significant(ratio.median)} (${significant(ratio.min)}–${significant(ratio.max)})`;
}

function targetText(target) {
  if (target === undefined) return '';
  const { ratioMin, maximum, met } = target;
  return `${ratioMin === undefined ? `≤ ${maximum}` : `≥ ${ratioMin}`} ${met ? '✓' : '✗'}`;
}

function cpuText({ serverCpu, value }) {
  return serverCpu === undefined ? '' : ((serverCpu / value.median) * 1e6).toFixed(0);
}

function percent(share) {
  return share === undefined ? '' : `${(share * 100).toFixed(0)} %`;
}

/** Three digits: no measurement here is better than that. */
function significant(number) {
  if (number === undefined) return '';
  return number >= 100 ? number.toFixed(0) : number.toFixed(number >= 10 ? 1 : 2);
}
