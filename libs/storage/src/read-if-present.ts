import { readFile } from 'node:fs/promises';

import { codeOf } from './caught.js';

/**
 * The file, or undefined when it is gone: the store may be open in another process, whose LevelDB deletes files that
 * it no longer needs. Opening it will say so.
 */
export async function readIfPresent(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
