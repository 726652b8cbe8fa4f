/**
 * The parts of the documents that are read from code: they are equal, or this fails. To write them anew:
 *
 *     UPDATE_DOCS=1 npx jest --selectProjects=unit --testPathPatterns test/docs
 */
import { readFileSync, writeFileSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';
import { ERRORS, VERSION } from '@diststore/base';
import { optionTable } from '@diststore/config';

import { masterOptions } from '../../apps/master/src/master.options.js';
import { workerOptions } from '../../apps/worker/src/worker.options.js';

const root = new URL('../../', import.meta.url);

/** What stands between `<!-- name -->` and `<!-- /name -->` in a document. */
function part(file: string, name: string, expected: string): { found: string; expected: string } {
  const url = new URL(file, root);
  const text = readFileSync(url, 'utf8');
  const marked = new RegExp(`(<!-- ${name} -->\n)([^]*?)(<!-- /${name} -->)`);
  const body = `\n${expected.trim()}\n\n`;
  if (process.env['UPDATE_DOCS'] !== undefined) {
    writeFileSync(
      url,
      text.replace(marked, (_all, open: string, _old, close: string) => open + body + close),
    );
  }
  return { found: marked.exec(readFileSync(url, 'utf8'))?.[2] ?? `no part called ${name}`, expected: body };
}

function errorTable(): string {
  const sections = Object.entries(ERRORS).map(
    ([code, { status, retryable, title, remedy }]) =>
      `### \`${code}\`\n\nHTTP ${status}, ${retryable ? 'retryable' : 'not retryable'}. ${title}\n\n${remedy}`,
  );
  return sections.join('\n\n');
}

describe('documents', () => {
  it.each([
    ['docs/errors.md', 'errors', errorTable()],
    ['README.md', 'master-options', optionTable(masterOptions)],
    ['README.md', 'worker-options', optionTable(workerOptions)],
  ])('%s: the part "%s" is what the code says', (file, name, text) => {
    const { found, expected } = part(file, name, text);
    expect(found).toBe(expected);
  });

  it('say the version of package.json', () => {
    const manifest = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string };
    expect(manifest.version).toBe(VERSION);
  });
});
