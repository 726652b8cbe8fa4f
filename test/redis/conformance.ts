/**
 * Reads conformance.txt: commands and the replies that redis-server gives to them, in groups that begin with an empty
 * keyspace on a fresh connection.
 *
 *   # name of a group
 *   > COMMAND words "in JSON where needed"      7.2 behind the > : only since Redis 7.2; own: only here
 *   reply                                       as JSON of what `plain` makes of it, in RESP2
 */
import { readFileSync } from 'node:fs';

export interface ConformanceStep {
  readonly line: string;
  readonly expected: unknown;
  /** Which servers answer so. */
  readonly since: 'always' | '7.2' | 'own';
}

export interface ConformanceGroup {
  readonly name: string;
  readonly steps: readonly ConformanceStep[];
}

export function conformanceGroups(): ConformanceGroup[] {
  const groups: { name: string; steps: ConformanceStep[] }[] = [];
  const lines = readFileSync(new URL('conformance.txt', import.meta.url), 'utf8').split('\n');
  lines.forEach((line, i) => {
    const [, since = '', command = ''] = /^>(\S*) (.*)$/.exec(line) ?? [];
    if (line.startsWith('# ')) groups.push({ name: line.slice(2), steps: [] });
    if (command === '') return;
    groups.at(-1)?.steps.push({
      line: command,
      expected: JSON.parse(lines[i + 1] ?? ''),
      since: since === '7.2' || since === 'own' ? since : 'always',
    });
  });
  return groups;
}

export function wordsOf(line: string): Buffer[] {
  return [...line.matchAll(/"(?:[^"\\]|\\.)*"|[^ ]+/g)].map(([word]) =>
    Buffer.from(word.startsWith('"') ? (JSON.parse(word) as string) : word, 'latin1'),
  );
}

/** RESP3's maps as the flat lists that RESP2 has. */
export function normalised(reply: unknown): unknown {
  if (reply instanceof Map) return [...reply].flat().map(normalised);
  return Array.isArray(reply) ? reply.map(normalised) : reply;
}
