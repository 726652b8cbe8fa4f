/**
 * One option has one name in three spellings, all derived from its camelCase key, so that none can drift:
 * `maxValueBytes` in code, `--max-value-bytes` as a flag, `DISTSTORE_MAX_VALUE_BYTES` in the environment.
 */
export const ENV_PREFIX = 'DISTSTORE_';

const KEY = /^[a-z][a-z0-9]*([A-Z][a-z0-9]*)*$/;

export function isKey(key: string): boolean {
  return KEY.test(key);
}

/** The flag without its dashes. */
export function flagOf(key: string): string {
  return words(key).join('-');
}

export function envOf(key: string): string {
  return ENV_PREFIX + words(key).join('_').toUpperCase();
}

/** What the number counts, read from the end of the key, where style puts units: `graceMs` is in `ms`. */
export function unitOf(key: string): string | undefined {
  const last = words(key).at(-1);
  return last !== undefined && UNITS.has(last) ? last : undefined;
}

const UNITS = new Set(['ms', 'seconds', 'bytes', 'port', 'percent', 'count', 'url', 'dir', 'file', 'host']);

function words(key: string): string[] {
  return key.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
