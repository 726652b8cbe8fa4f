/** Every metric that the code registers is in docs/metrics.md, and no other. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it } from '@jest/globals';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** What `pattern` finds in a file, without repetitions. */
function namesIn(file: string, pattern: RegExp): string[] {
  const found = readFileSync(path.join(root, file), 'utf8').matchAll(pattern);
  return Array.from(found, ([, name]) => name ?? '');
}

it('docs/metrics.md lists the metrics of the code', () => {
  const sources = ['apps', 'libs'].flatMap((folder) =>
    readdirSync(path.join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('metrics.ts'))
      .map((file) => path.join(folder, file)),
  );
  const registered = new Set(sources.flatMap((file) => namesIn(file, /'(diststore_[a-z_]+)'/g)));
  const documented = namesIn('docs/metrics.md', /^\| `(diststore_[a-z_]+)`/gm);
  expect(registered.size).toBeGreaterThan(20);
  expect(documented.sort()).toEqual([...registered].sort());
});
