/** What the answers of reading, storing and deleting mean, as the OpenAPI document describes them. */

export const READ_ANSWERS = {
  200: 'The value.',
  206: 'The range of it that was asked for.',
  304: 'The value has the version that the client has.',
  404: 'No value is stored under this key.',
  412: 'The value does not have the version that was demanded.',
  416: 'The value has no byte of that range.',
} as const;

export const PUT_ANSWERS = {
  200: 'Replaced; a receipt.',
  201: 'Created; a receipt.',
  204: 'Done; no receipt was wanted.',
  412: 'A condition does not hold; nothing was changed.',
  413: 'The value is larger than the limit.',
  504: 'Whether it was done is not known. With an Idempotency-Key it is safe to send again.',
} as const;

export const DELETE_ANSWERS = {
  200: 'Deleted; a receipt.',
  204: 'Done; no receipt was wanted.',
  404: 'No value is stored under this key.',
  412: 'A condition does not hold; nothing was changed.',
  504: 'Whether it was done is not known. With an Idempotency-Key it is safe to send again.',
} as const;
