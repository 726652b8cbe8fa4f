import { describe, expect, it } from '@jest/globals';

import { Reply } from './reply.js';

describe('Reply', () => {
  it('of JSON and of text names its type, then the other headers', () => {
    expect(Reply.json(201, { a: 1 }, ['ETag', '"1"'])).toEqual(
      new Reply(201, ['Content-Type', 'application/json; charset=utf-8', 'ETag', '"1"'], '{"a":1}'),
    );
    expect(Reply.text(200, 'ok').headers).toEqual(['Content-Type', 'text/plain; charset=utf-8']);
  });

  it('leaves shared headers as they are', () => {
    const shared = Object.freeze(['ETag', '"1"']);
    expect(new Reply(200, shared, 'x').headers).toBe(shared);
  });
});
