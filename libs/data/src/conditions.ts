/** Whether what an operation demands of a key is so, and the answer when it is not. */
import { unreachable } from '@diststore/base';

import { bufferOf, intact, valueOf } from './draft.js';
import type { Row } from './draft.js';
import type { Condition } from './operation.js';
import type { Result } from './result.js';

/** @param row the live row. @throws StoreError record-corrupt */
export function allHold(conditions: readonly Condition[], row: Row | undefined): boolean {
  for (const condition of conditions) if (!holds(condition, row)) return false;
  return true;
}

function holds(condition: Condition, row: Row | undefined): boolean {
  switch (condition.type) {
    case 'absent':
      return row === undefined;
    case 'present':
      return row !== undefined;
    case 'version':
      return row !== undefined && condition.anyOf.includes(intact(row).version);
    case 'not-version':
      return row === undefined || !condition.noneOf.includes(intact(row).version);
    case 'value':
      return row !== undefined && bufferOf(intact(row).payload).equals(condition.equals);
    default:
      return unreachable(condition);
  }
}

/** @param row the live row. @throws StoreError record-corrupt */
export function refused(row: Row | undefined, returnOld: boolean): Result {
  const version = row === undefined ? 0 : intact(row).version;
  return { type: 'refused', version, old: returnOld && row !== undefined ? valueOf(row) : undefined };
}
