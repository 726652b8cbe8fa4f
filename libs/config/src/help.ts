/** What people read of an option table: the text of `--help`, and the README's table. */
import { envOf, flagOf, unitOf } from './names.js';
import type { Option, OptionList } from './option-table.js';

/** One option in words, as in a row of the README. */
export interface OptionRow {
  readonly key: string;
  readonly group: string;
  readonly flag: string;
  readonly env: string;
  readonly default: string;
  readonly allowed: string;
  readonly summary: string;
}

export function optionRows(list: OptionList): OptionRow[] {
  return Object.entries(list.options).map(([key, option]) => ({
    key,
    group: option.group,
    flag: flagText(key, option),
    env: envOf(key),
    default: option.defaultText,
    allowed: option.schema.description ?? '',
    summary: option.summary,
  }));
}

/** The README's table in Markdown, its columns padded as the formatter pads them, without a final newline. */
export function optionTable(list: OptionList): string {
  const header = ['Flag', 'Environment', 'Default', 'Allowed', 'Meaning'];
  const rows = optionRows(list).map((row) => [
    `\`${row.flag}\``,
    `\`${row.env}\``,
    row.default,
    row.allowed,
    row.summary,
  ]);
  const cells = [header, ...rows].map((row) => row.map((cell) => cell.replaceAll('|', '\\|')));
  const widths = header.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map(
    (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`,
  );
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [lines[0], rule, ...lines.slice(1)].join('\n');
}

/** The text of `--help`, for a terminal of 100 columns. */
export function helpText(list: OptionList): string {
  const rows = [...optionRows(list), ...ASKING];
  const groups = [...new Set(rows.map((row) => row.group))];
  const leftWidth = Math.max(...rows.map((row) => row.flag.length)) + 4;
  const positional = Object.entries(list.options).find(([, option]) => option.positional);
  const usage = positional === undefined ? '[options]' : `[${flagOf(positional[0])}] [options]`;
  return [
    list.summary,
    '',
    `Usage: ${list.program} ${usage}`,
    ...groups.flatMap((group) => [
      '',
      `${group}:`,
      ...rows.filter((row) => row.group === group).flatMap((row) => rowLines(row, leftWidth)),
    ]),
    '',
    'A flag wins over its environment variable, which wins over the default.',
    '',
  ].join('\n');
}

const TEXT_WIDTH = 100;
/** However long the flags are, some room stays for the text. */
const RIGHT_WIDTH_MIN = 30;

const ASKING = [
  { group: 'Help', flag: '--help', summary: 'Show this text', env: '', allowed: '', default: '' },
  { group: 'Help', flag: '--version', summary: 'Show the version', env: '', allowed: '', default: '' },
];

/** The flag on the left; on the right its meaning and, below, what it allows, its default and its variable. */
function rowLines(row: Omit<OptionRow, 'key'>, leftWidth: number): string[] {
  const width = Math.max(RIGHT_WIDTH_MIN, TEXT_WIDTH - leftWidth);
  const details = row.env === '' ? [] : wrap(`${row.allowed}; default ${row.default}; ${row.env}`, width);
  return [...wrap(row.summary, width), ...details].map(
    (line, i) => (i === 0 ? `  ${row.flag}` : '').padEnd(leftWidth) + line,
  );
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

function flagText(key: string, option: Option<unknown>): string {
  if (option.isToggle) return `--[no-]${flagOf(key)}`;
  return `--${flagOf(key)} <${unitOf(key) ?? 'value'}>`;
}
