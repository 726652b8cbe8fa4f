/**
 * docs/guarantees.md names for each thing that can fail the tests that show what happens. They are there, under these
 * names: whoever renames or removes one has to say what shows it now.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from '@jest/globals';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(path.join(root, file), 'utf8');

const specs = ['apps', 'libs', 'test'].flatMap((folder) =>
  readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('spec.ts'))
    .map((file) => path.join(folder, file)),
);

/** `` `where` (faults) "titles", "of tests" `` */
const REFERENCE = /`([^`]+)`(?: \(([^)]+)\))?((?:,? ?"[^"]+")*)/g;

interface Reference {
  readonly where: string;
  readonly faults: readonly string[];
  readonly titles: readonly string[];
}

function referencesIn(cell: string): Reference[] {
  return Array.from(cell.matchAll(REFERENCE), ([, where = '', faults = '', titles = '']) => ({
    where,
    faults: faults.split(', ').filter(Boolean),
    titles: Array.from(titles.matchAll(/"([^"]+)"/g), ([, title = '']) => title),
  }));
}

/** The rows of the table of what fails: its first cell, and what it is shown by. */
const rows = read('docs/guarantees.md')
  .split('\n## ', 1)
  .flatMap((table) => table.split('\n').filter((line) => line.startsWith('| ')))
  .slice(2)
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, fails = '', , , shown = '']) => [fails, referencesIn(shown)] as const);

/** What a fault that is named beside a folder stands in. */
const FAULTS: Readonly<Record<string, string>> = {
  'test/chaos': 'libs/testing/src/chaos/nemesis.ts',
  'libs/testing/src/simulation': 'libs/testing/src/simulation/profile.ts',
};

function problemOf({ where, faults, titles }: Reference): string | undefined {
  if (where.startsWith('npm run ')) {
    const script = where.split(' ')[2] ?? '';
    return read('package.json').includes(`"${script}": `) ? undefined : `no script ${script}`;
  }
  if (faults.length > 0) {
    const text = FAULTS[where] === undefined ? '' : read(FAULTS[where]);
    const unknown = faults.filter((fault) => !text.includes(`'${fault}'`));
    return unknown.length === 0 ? undefined : `no fault ${unknown.join(', ')} in ${where}`;
  }
  const texts = specs.filter((file) => path.basename(file) === where).map(read);
  if (texts.length === 0) return `no test ${where}`;
  const missing = titles.filter((title) => !texts.some((text) => text.includes(title)));
  return missing.length === 0 ? undefined : `no test called ${missing.join(', ')} in ${where}`;
}

describe('docs/guarantees.md', () => {
  it('has rows', () => {
    expect(rows.length).toBeGreaterThan(20);
  });

  it.each(rows)('when %s: names tests that are there', (_fails, references) => {
    expect(references.length).toBeGreaterThan(0);
    expect(references.map(problemOf).filter(Boolean)).toEqual([]);
  });
});
