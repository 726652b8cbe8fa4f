/** The JSON body of a request, within a bound. What the JSON means is its reader's affair. */
import type { IncomingMessage } from 'node:http';

import { StoreError } from '@diststore/base';
import { readBody } from '@diststore/http';

/** What a message of no particular size may have. */
export const MESSAGE_BYTES_MAX = 16 * 1024;

/** Undefined for an empty body. @throws StoreError bad-request: not JSON; value-too-large. */
export async function readJson(request: IncomingMessage, maxBytes = MESSAGE_BYTES_MAX): Promise<unknown> {
  const body = await readBody(request, { maxBytes, setting: 'of a message between processes' });
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString());
  } catch (cause) {
    throw new StoreError('bad-request', 'The body is not JSON.', { cause });
  }
}

/** The same, where the body may be left out and is an object otherwise. @throws StoreError bad-request, as above. */
export async function readOptions(request: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const json = await readJson(request);
  if (json === undefined) return {};
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new StoreError('bad-request', 'The body is not a JSON object.');
  return json as Readonly<Record<string, unknown>>;
}
