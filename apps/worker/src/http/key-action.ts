/**
 * The operations on one key that are POSTed to it: `/v1/kv/<key>/incr`. The last segment of the path is the action, as
 * it stands there: an encoded slash is part of the key, so every key has its actions, also one that ends in `/incr`.
 */
import { StoreError } from '@diststore/base';

export const KEY_ACTIONS = ['incr', 'append', 'touch', 'persist'] as const;
export type KeyAction = (typeof KEY_ACTIONS)[number];

/**
 * @param rest what follows `/v1/kv/` in the path, decoded.
 * @param path as it came, without the query.
 * @returns the action and the key; no key when the path is the action alone, and `key64` has to name it.
 * @throws StoreError method-not-allowed: the path names no action.
 */
export function keyActionOf(
  rest: string,
  path: string,
): { readonly action: KeyAction; readonly key: string | undefined } {
  const last = path.slice(path.lastIndexOf('/') + 1);
  const action = KEY_ACTIONS.find((name) => name === last);
  if (action === undefined) {
    const detail = `POST goes to a key's ${KEY_ACTIONS.join(', ')}: /v1/kv/<key>/incr. PUT stores a value.`;
    throw new StoreError('method-not-allowed', detail, {
      facts: { allow: ['DELETE', 'GET', 'HEAD', 'PUT'] },
    });
  }
  return { action, key: rest === action ? undefined : rest.slice(0, -(action.length + 1)) };
}
