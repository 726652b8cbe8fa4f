/**
 * Reads which files of a LevelDB directory are alive. A crash may leave others behind, half written or no longer
 * needed, so that only what the MANIFEST names may be judged.
 *
 * CURRENT names the MANIFEST. That is a log (leveldb-log.ts) of edits, each a list of tagged fields
 * (db/version_edit.cc); all edits together give the current state.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';

import { StoreError } from '@diststore/base';

import { ByteCursor } from './byte-cursor.js';
import { readLog } from './leveldb-log.js';

export interface Manifest {
  /** Logs below this number are no longer needed, but for `previousLogNumber`. */
  readonly logNumber: number;
  readonly previousLogNumber: number;
  /** Size in bytes of every live table, by its number. */
  readonly tables: ReadonlyMap<number, number>;
}

/** Tags of db/version_edit.cc; 8 was used once for large values. */
const COMPARATOR = 1;
const LOG_NUMBER = 2;
const NEXT_FILE_NUMBER = 3;
const LAST_SEQUENCE = 4;
const COMPACT_POINTER = 5;
const DELETED_FILE = 6;
const NEW_FILE = 7;
const PREVIOUS_LOG_NUMBER = 9;

/**
 * The state that LevelDB will recover, or undefined when there is none: a new directory, or one that LevelDB cannot
 * read and will refuse by itself.
 * @throws StoreError store-corrupt: LevelDB would drop edits without a word, and with them tables.
 */
export async function readManifest(database: string): Promise<Manifest | undefined> {
  let file: string;
  let bytes: Buffer;
  try {
    const name = (await readFile(path.join(database, 'CURRENT'), 'utf8')).trimEnd();
    if (!/^MANIFEST-\d+$/.test(name)) return undefined;
    file = path.join(database, name);
    bytes = await readFile(file);
  } catch {
    return undefined;
  }
  const edits: Buffer[] = [];
  const { damagedAt } = readLog(bytes, (edit) => edits.push(edit));
  if (damagedAt !== undefined) {
    throw new StoreError(
      'store-corrupt',
      `${file} is damaged at byte ${damagedAt}. Restore a backup or a replica.`,
      {
        facts: { file, offset: damagedAt },
      },
    );
  }
  const state = { logNumber: 0, previousLogNumber: 0, tables: new Map<number, number>() };
  try {
    for (const edit of edits) apply(edit, state);
  } catch {
    return undefined;
  }
  return state;
}

function apply(
  edit: Buffer,
  state: { logNumber: number; previousLogNumber: number; tables: Map<number, number> },
): void {
  const cursor = new ByteCursor(edit);
  while (!cursor.done) {
    const tag = cursor.varint();
    switch (tag) {
      case COMPARATOR:
        cursor.string();
        break;
      case LOG_NUMBER:
        state.logNumber = cursor.varint();
        break;
      case PREVIOUS_LOG_NUMBER:
        state.previousLogNumber = cursor.varint();
        break;
      case NEXT_FILE_NUMBER:
      case LAST_SEQUENCE:
        cursor.varint();
        break;
      case COMPACT_POINTER:
        cursor.varint(); // level
        cursor.string(); // key
        break;
      case DELETED_FILE:
        cursor.varint(); // level
        state.tables.delete(cursor.varint());
        break;
      case NEW_FILE: {
        cursor.varint(); // level
        const number = cursor.varint();
        state.tables.set(number, cursor.varint());
        cursor.string(); // smallest key
        cursor.string(); // largest key
        break;
      }
      default:
        throw new RangeError(`tag ${tag} is unknown`);
    }
  }
}
