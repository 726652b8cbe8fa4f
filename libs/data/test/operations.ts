/** Random operations, of every kind and within every bound, for fast-check. */
import fc from 'fast-check';

import type {
  BitFieldStep,
  Condition,
  Expiry,
  ReadOperation,
  SetExpiry,
  SingleWrite,
  Transaction,
  WriteOperation,
} from '../src/operation.js';

export interface Choices {
  readonly key: fc.Arbitrary<Buffer>;
  readonly value: fc.Arbitrary<Buffer>;
  readonly version: fc.Arbitrary<number>;
  readonly timeMs: fc.Arbitrary<number>;
  readonly lifetimeMs: fc.Arbitrary<number>;
  /** In bytes. */
  readonly offset: fc.Arbitrary<number>;
  /** In bits. */
  readonly bitOffset: fc.Arbitrary<number>;
  readonly decimal: fc.Arbitrary<string>;
}

export interface OperationArbitraries {
  readonly get: fc.Arbitrary<ReadOperation>;
  readonly single: fc.Arbitrary<SingleWrite>;
  readonly transaction: fc.Arbitrary<Transaction>;
  readonly write: fc.Arbitrary<WriteOperation>;
}

const INT64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
export const number64 = fc.oneof(fc.integer({ min: -300, max: 300 }).map(BigInt), INT64);

const contentType = fc.option(fc.constantFrom('text/plain', '', 'a/b; q=1'), { nil: undefined });

export function operationsOf(choices: Choices): OperationArbitraries {
  const { key, value, version, timeMs, lifetimeMs, offset, bitOffset, decimal } = choices;
  const typed = <const T extends string>(type: T): fc.Arbitrary<T> => fc.constant(type);
  const versions = fc.array(version, { maxLength: 3 });
  const condition: fc.Arbitrary<Condition> = fc.oneof(
    fc.record({ type: fc.constantFrom('absent' as const, 'present' as const) }),
    fc.record({ type: typed('version'), anyOf: versions }),
    fc.record({ type: typed('not-version'), noneOf: versions }),
    fc.record({ type: typed('value'), equals: value }),
  );
  const conditions = fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 2, arbitrary: fc.array(condition, { minLength: 1, maxLength: 2 }) },
  );
  const given: fc.Arbitrary<SetExpiry['expiry']> = fc.oneof(
    fc.record({ type: typed('never') }),
    fc.record({ type: typed('at'), atMs: timeMs }),
    fc.record({ type: typed('in'), ms: lifetimeMs }),
  );
  const expiry: fc.Arbitrary<Expiry> = fc.oneof(given, fc.record({ type: typed('keep') }));
  const field = fc
    .boolean()
    .chain((signed) =>
      fc.record({ signed: fc.constant(signed), bits: fc.integer({ min: 1, max: signed ? 64 : 63 }), offset: bitOffset }),
    );
  const step: fc.Arbitrary<BitFieldStep> = fc.oneof(
    field.map((at) => ({ type: 'get' as const, ...at })),
    fc
      .tuple(field, number64, fc.constantFrom('set', 'add'), fc.constantFrom('wrap', 'saturate', 'fail'))
      .map(([at, by, type, overflow]) => ({ ...at, type, value: by, overflow })),
  );
  const returnOld = fc.boolean();
  const rules = fc.subarray(['if-none', 'if-some', 'if-later', 'if-earlier'] as const);
  const get = fc.record({ type: typed('get'), key });
  const single: fc.Arbitrary<SingleWrite> = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ type: typed('put'), key, value, contentType, expiry, conditions, returnOld }),
    },
    { weight: 2, arbitrary: fc.record({ type: typed('delete'), key, conditions, returnOld }) },
    {
      weight: 2,
      arbitrary: fc.record({ type: typed('set-expiry'), key, expiry: given, rules, conditions, returnOld }),
    },
    fc.record({ type: typed('add'), key, by: number64, conditions }),
    fc.record({ type: typed('add-decimal'), key, by: decimal }),
    fc.record({ type: typed('append'), key, value, conditions }),
    fc.record({ type: typed('set-range'), key, offset, value }),
    fc.record({ type: typed('set-bit'), key, offset: bitOffset, bit: fc.constantFrom(0 as const, 1 as const) }),
    fc.record({ type: typed('bit-field'), key, steps: fc.array(step, { maxLength: 4 }) }),
    fc.oneof(
      fc.record({
        type: typed('bit-operation'),
        operator: fc.constantFrom('and' as const, 'or' as const, 'xor' as const),
        key,
        sources: fc.array(key, { minLength: 1, maxLength: 3 }),
      }),
      fc.record({ type: typed('bit-operation'), operator: typed('not'), key, sources: fc.tuple(key) }),
    ),
    fc.record({ type: typed('copy'), from: key, key, move: fc.boolean(), replace: fc.boolean() }),
  );
  const branch = fc.array(fc.oneof({ weight: 1, arbitrary: get }, { weight: 5, arbitrary: single }), { maxLength: 6 });
  const transaction = fc.record({
    type: typed('transaction'),
    compare: fc.array(fc.record({ key, conditions }), { maxLength: 2 }),
    then: branch,
    otherwise: branch,
    continueOnFailure: fc.boolean(),
  });
  const write = fc.oneof(
    { weight: 12, arbitrary: single },
    { weight: 5, arbitrary: transaction },
    { weight: 1, arbitrary: fc.record({ type: typed('clear') }) },
  );
  return { get, single, transaction, write };
}
