/**
 * If-Match and If-None-Match (RFC 9110, section 13). A write takes them along as conditions, to be decided in the
 * same step as the write, where the primary is; a read is judged by what it has found.
 *
 * If-Modified-Since and If-Unmodified-Since are passed over, as section 13.1 has it for a resource without dates.
 */
import type { IncomingHttpHeaders } from 'node:http';

import type { Condition } from '@diststore/data';

import type { EntityTag, EntityTags } from './entity-tag.js';
import { parseEntityTags, versionOfTag } from './entity-tag.js';

export interface Preconditions {
  readonly ifMatch: EntityTags | undefined;
  readonly ifNoneMatch: EntityTags | undefined;
}

const NONE: readonly Condition[] = [];

/** @returns undefined in the common case: there are none. @throws StoreError bad-request */
export function preconditionsOf(headers: IncomingHttpHeaders): Preconditions | undefined {
  const match = headers['if-match'];
  const noneMatch = headers['if-none-match'];
  if (match === undefined && noneMatch === undefined) return undefined;
  return {
    ifMatch: match === undefined ? undefined : parseEntityTags('If-Match', match),
    ifNoneMatch: noneMatch === undefined ? undefined : parseEntityTags('If-None-Match', noneMatch),
  };
}

/** What must be so of the key for a write to happen. */
export function conditionsOf(preconditions: Preconditions | undefined): readonly Condition[] {
  if (preconditions === undefined) return NONE;
  const conditions: Condition[] = [];
  const { ifMatch, ifNoneMatch } = preconditions;
  if (ifMatch !== undefined) {
    conditions.push(
      ifMatch === 'any' ? { type: 'present' } : { type: 'version', anyOf: strongVersions(ifMatch) },
    );
  }
  if (ifNoneMatch !== undefined) {
    conditions.push(
      ifNoneMatch === 'any' ? { type: 'absent' } : { type: 'not-version', noneOf: weakVersions(ifNoneMatch) },
    );
  }
  return conditions;
}

/**
 * What a GET or HEAD of a present value with `version` is to be answered with: in the order of section 13.2.2,
 * `failed` is 412, `not-modified` 304.
 */
export function judgeRead(
  preconditions: Preconditions,
  version: number,
): 'go-on' | 'failed' | 'not-modified' {
  const { ifMatch, ifNoneMatch } = preconditions;
  if (ifMatch !== undefined && ifMatch !== 'any' && !strongVersions(ifMatch).includes(version))
    return 'failed';
  if (ifNoneMatch === undefined) return 'go-on';
  return ifNoneMatch === 'any' || weakVersions(ifNoneMatch).includes(version) ? 'not-modified' : 'go-on';
}

/** By strong comparison (section 8.8.3.2) a weak tag equals nothing. */
function strongVersions(tags: readonly EntityTag[]): number[] {
  return weakVersions(tags.filter(({ weak }) => !weak));
}

function weakVersions(tags: readonly EntityTag[]): number[] {
  return tags.flatMap((tag) => versionOfTag(tag) ?? []);
}
