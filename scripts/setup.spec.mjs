import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { isInstalled } from './setup.mjs';

describe('isInstalled', () => {
  let folder;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'setup-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function write(file, content) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), typeof content === 'string' ? content : JSON.stringify(content));
  }
  const wanted = {
    '': { version: '1.0.0' },
    'node_modules/level': { version: '10.0.0', integrity: 'sha512-a' },
    'node_modules/fsevents': { version: '2.0.0', integrity: 'sha512-b', optional: true },
  };
  const present = { 'node_modules/level': { version: '10.0.0', integrity: 'sha512-a' } };

  it.each([
    ['what is wanted, without an optional package', { packages: present }, true],
    ['a package too many', { packages: { ...present, 'node_modules/x': { version: '1.0.0' } } }, true],
    ['a package missing', { packages: {} }, false],
    [
      'another version',
      { packages: { 'node_modules/level': { version: '9.0.0', integrity: 'sha512-a' } } },
      false,
    ],
    [
      'other contents',
      { packages: { 'node_modules/level': { version: '10.0.0', integrity: 'sha512-z' } } },
      false,
    ],
    ['a record cut short', '{"packages": {', false],
    ['no record', undefined, false],
  ])('%s: %#', (_, record, expected) => {
    write('package-lock.json', { packages: wanted });
    if (record !== undefined) write('node_modules/.package-lock.json', record);
    expect(isInstalled(folder)).toBe(expected);
  });
});
