/** What reading, storing and deleting a value are, for the OpenAPI document: the same on every route that does it. */
import type { Description, ParameterDescription } from './described.js';
import { PUT_PARAMETERS, READ_PARAMETERS, WRITE_HEADERS } from './parameters.js';

type ValueOperation = Omit<Description, 'tag'> & Required<Pick<Description, 'parameters'>>;

const UNKNOWN = 'Whether it was done is not known. With an Idempotency-Key it is safe to send again.';

const PUT_ANSWERS = {
  200: 'Replaced; a receipt.',
  201: 'Created; a receipt.',
  204: 'Done; no receipt was wanted.',
  412: 'A condition does not hold; nothing was changed.',
  413: 'The value is larger than the limit.',
  504: UNKNOWN,
};

export const READ: ValueOperation = {
  summary: 'The value, exactly as it was stored',
  parameters: READ_PARAMETERS,
  answers: {
    200: 'The value.',
    206: 'The range of it that was asked for.',
    304: 'The value has the version that the client has.',
    404: 'No value is stored under this key.',
    412: 'The value does not have the version that was demanded.',
    416: 'The value has no byte of that range.',
  },
  produces: ['application/octet-stream', 'application/json'],
};

export const STORE_BODY: ValueOperation = {
  summary: 'Stores the body',
  parameters: PUT_PARAMETERS,
  body: { type: 'application/octet-stream', description: 'The value, any bytes.' },
  answers: PUT_ANSWERS,
};

export const STORE_TEXT: ValueOperation = {
  summary: 'Stores the value in the URL',
  parameters: PUT_PARAMETERS,
  answers: PUT_ANSWERS,
};

export const DELETE: ValueOperation = {
  summary: 'Deletes the value',
  parameters: WRITE_HEADERS,
  answers: {
    200: 'Deleted; a receipt.',
    204: 'Done; no receipt was wanted.',
    404: 'No value is stored under this key.',
    412: 'A condition does not hold; nothing was changed.',
    504: UNKNOWN,
  },
};

/** The operation as a route has it. @param names where the route finds the key, and what else is in its path. */
export function routeTo(
  operation: ValueOperation,
  tag: string,
  ...names: readonly ParameterDescription[]
): Description {
  return { ...operation, tag, parameters: [...names, ...operation.parameters] };
}
