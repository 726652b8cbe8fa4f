/**
 * The data operations on a plain map, as simply as they can be said: what `decide` is compared with. Values are
 * strings of one character per byte, bits are strings of 0 and 1.
 */
import { addDecimals } from '../src/decimal.js';
import type {
  BitField,
  BitOperation,
  Condition,
  Expiry,
  ReadOperation,
  SetExpiry,
  SingleWrite,
  WriteOperation,
} from '../src/operation.js';
import type { FailureReason, Result, StoredValue } from '../src/result.js';

export interface PlainValue {
  readonly version: number;
  /** Infinity = never. */
  readonly expireAtMs: number;
  readonly contentType: string | undefined;
  readonly text: string;
}

class Failure extends Error {
  constructor(readonly reason: FailureReason) {
    super(reason);
  }
}

export class PlainStore {
  values = new Map<string, PlainValue>();
  clockMs = 1000;
  seq = 0;
  /** What the operation under way has done so far. */
  private under = { wrote: false };

  constructor(private readonly maxValueBytes: number) {}

  /** What there is, expired values left out. */
  get(key: Buffer): PlainValue | undefined {
    const value = this.values.get(key.toString('latin1'));
    return value !== undefined && value.expireAtMs > this.clockMs ? value : undefined;
  }

  /** @returns the result, and whether anything was written. */
  perform(operation: WriteOperation): { result: Result; wrote: boolean } {
    this.under = { wrote: false };
    const before = new Map(this.values);
    const result = this.resultOf(operation);
    if (result.type === 'failed') {
      this.values = before;
      this.under.wrote = false;
    }
    if (this.under.wrote) this.seq += 1;
    return { result, wrote: this.under.wrote };
  }

  private resultOf(operation: WriteOperation): Result {
    if (operation.type === 'clear') {
      const removed = this.values.size;
      this.values.clear();
      this.under.wrote = true;
      return { type: 'cleared', version: this.seq + 1, removed };
    }
    if (operation.type !== 'transaction') return this.attempt(operation);
    const { compare, then, otherwise, continueOnFailure } = operation;
    const held = compare.every(({ key, conditions }) => this.allHold(key, conditions));
    const results: Result[] = [];
    for (const [index, step] of (held ? then : otherwise).entries()) {
      const result = this.attempt(step);
      if (result.type === 'failed' && !continueOnFailure) return { ...result, operation: index };
      results.push(result);
    }
    return { type: 'transaction', held, version: this.under.wrote ? this.seq + 1 : 0, results };
  }

  private attempt(operation: SingleWrite | ReadOperation): Result {
    try {
      return this.single(operation);
    } catch (error) {
      if (error instanceof Failure) return { type: 'failed', reason: error.reason };
      throw error;
    }
  }

  private single(operation: SingleWrite | ReadOperation): Result {
    const { key } = operation;
    const found = this.get(key);
    if ('conditions' in operation && !this.allHold(key, operation.conditions))
      return this.refused(found, 'returnOld' in operation && operation.returnOld);
    const created = found === undefined;
    const text = found?.text ?? '';
    switch (operation.type) {
      case 'get':
        return { type: 'value', record: storedOf(found) };
      case 'put': {
        const expireAtMs = this.timeOf(operation.expiry, found);
        if (expireAtMs <= this.clockMs) return this.remove(key, operation.returnOld);
        const { contentType } = operation;
        const version = this.store(key, { expireAtMs, contentType, text: operation.value.toString('latin1') });
        const old = operation.returnOld ? storedOf(found) : undefined;
        return { type: 'stored', version, created, expireAtMs: storedTime(expireAtMs), old };
      }
      case 'delete':
        return this.remove(key, operation.returnOld);
      case 'set-expiry':
        return this.setExpiry(operation, found);
      case 'add': {
        if (!/^(0|-?[1-9][0-9]*)$/.test(text === '' && created ? '0' : text)) throw new Failure('not-an-integer');
        const number = BigInt(text === '' ? 0 : text);
        if (BigInt.asIntN(64, number) !== number) throw new Failure('not-an-integer');
        const sum = number + operation.by;
        if (BigInt.asIntN(64, sum) !== sum) throw new Failure('overflow');
        return { type: 'number', version: this.replace(key, String(sum)), number: String(sum), created };
      }
      case 'add-decimal': {
        const sum = addDecimals(Buffer.from(created ? '0' : text, 'latin1'), Buffer.from(operation.by));
        if (sum.type === 'failed') throw new Failure(sum.reason);
        return { type: 'number', version: this.replace(key, sum.text), number: sum.text, created };
      }
      case 'append': {
        const whole = this.fitting(text + operation.value.toString('latin1'));
        const version = found?.text === whole ? found.version : this.replace(key, whole);
        return { type: 'length', version, length: whole.length, created };
      }
      case 'set-range': {
        const { offset, value } = operation;
        if (value.length === 0)
          return { type: 'length', version: found?.version ?? 0, length: text.length, created: false };
        const start = text.slice(0, offset).padEnd(offset, '\0');
        const whole = this.fitting(start + value.toString('latin1') + text.slice(offset + value.length));
        return { type: 'length', version: this.replace(key, whole), length: whole.length, created };
      }
      case 'set-bit': {
        const bits = bitsOf(text).padEnd(operation.offset + 1, '0');
        const changed = bits.slice(0, operation.offset) + String(operation.bit) + bits.slice(operation.offset + 1);
        const whole = this.fitting(textOf(changed));
        const version = found?.text === whole ? found.version : this.replace(key, whole);
        return { type: 'number', version, number: bits.charAt(operation.offset), created };
      }
      case 'bit-field':
        return this.bitField(operation, found);
      case 'bit-operation':
        return this.bitOperation(operation);
      case 'copy': {
        const source = this.get(operation.from);
        if (source === undefined) return { type: 'absent' };
        if (found !== undefined && !operation.replace) return this.refused(found, false);
        const { expireAtMs } = source;
        const same = operation.from.equals(key);
        const version = same ? source.version : this.store(key, source);
        if (operation.move && !same) this.values.delete(operation.from.toString('latin1'));
        return { type: 'stored', version, created, expireAtMs: storedTime(expireAtMs), old: undefined };
      }
    }
  }

  private setExpiry({ key, expiry, rules, returnOld }: SetExpiry, found: PlainValue | undefined): Result {
    if (found === undefined) return { type: 'absent' };
    const expireAtMs = this.timeOf(expiry, found);
    const permitted = {
      'if-none': found.expireAtMs === Infinity,
      'if-some': found.expireAtMs !== Infinity,
      'if-later': expireAtMs > found.expireAtMs,
      'if-earlier': expireAtMs < found.expireAtMs,
    };
    if (!rules.every((rule) => permitted[rule])) return this.refused(found, returnOld);
    if (expireAtMs <= this.clockMs) return this.remove(key, returnOld);
    const version = expireAtMs === found.expireAtMs ? found.version : this.store(key, { ...found, expireAtMs });
    const old = returnOld ? storedOf(found) : undefined;
    return { type: 'stored', version, created: false, expireAtMs: storedTime(expireAtMs), old };
  }

  private bitField({ key, steps }: BitField, found: PlainValue | undefined): Result {
    let bits = bitsOf(found?.text ?? '');
    const isWrite = steps.some(({ type }) => type !== 'get');
    for (const { type, offset, bits: width } of steps) if (type !== 'get') bits = bits.padEnd(offset + width, '0');
    this.fitting(textOf(bits));
    const numbers = steps.map((step) => {
      const { offset, bits: width, signed } = step;
      const end = offset + width;
      const number = BigInt(`0b${bits.slice(offset, end).padEnd(width, '0')}`);
      const value = signed ? BigInt.asIntN(width, number) : number;
      if (step.type === 'get') return String(value);
      const operand = signed || step.type === 'add' ? step.value : BigInt.asUintN(64, step.value);
      const wanted = step.type === 'set' ? operand : value + operand;
      const wrapped = signed ? BigInt.asIntN(width, wanted) : BigInt.asUintN(width, wanted);
      let next = wrapped;
      if (wrapped !== wanted) {
        if (step.overflow === 'fail') return null;
        const [least, most] = signed
          ? [-(2n ** BigInt(width - 1)), 2n ** BigInt(width - 1) - 1n]
          : [0n, 2n ** BigInt(width) - 1n];
        if (step.overflow === 'saturate') next = wanted > most ? most : least;
      }
      const written = BigInt.asUintN(width, next).toString(2).padStart(width, '0');
      bits = bits.slice(0, offset) + written + bits.slice(end);
      return String(step.type === 'set' ? value : next);
    });
    const whole = textOf(bits);
    const isChanged = isWrite && found?.text !== whole;
    return { type: 'numbers', version: isChanged ? this.replace(key, whole) : (found?.version ?? 0), numbers };
  }

  private bitOperation({ key, operator, sources }: BitOperation): Result {
    const created = this.get(key) === undefined;
    const all = sources.map((source) => bitsOf(this.get(source)?.text ?? ''));
    const length = Math.max(...all.map((bits) => bits.length));
    const combined = Array.from({ length }, (_unused, i) => {
      const column = all.map((bits) => bits.charAt(i) === '1');
      switch (operator) {
        case 'and':
          return column.every(Boolean);
        case 'or':
          return column.some(Boolean);
        case 'xor':
          return column.filter(Boolean).length % 2 === 1;
        case 'not':
          return column[0] !== true;
      }
    });
    const text = textOf(combined.map((bit) => (bit ? '1' : '0')).join(''));
    if (text === '') {
      const removed = this.remove(key, false);
      return { type: 'length', version: removed.type === 'deleted' ? removed.version : 0, length: 0, created: false };
    }
    const version = this.store(key, { expireAtMs: Infinity, contentType: undefined, text });
    return { type: 'length', version, length: text.length, created };
  }

  private allHold(key: Buffer, conditions: readonly Condition[]): boolean {
    const found = this.get(key);
    return conditions.every((condition) => {
      switch (condition.type) {
        case 'absent':
          return found === undefined;
        case 'present':
          return found !== undefined;
        case 'version':
          return condition.anyOf.some((version) => version === found?.version);
        case 'not-version':
          return !condition.noneOf.some((version) => version === found?.version);
        case 'value':
          return condition.equals.toString('latin1') === found?.text;
      }
    });
  }

  private refused(found: PlainValue | undefined, returnOld: boolean): Result {
    return { type: 'refused', version: found?.version ?? 0, old: returnOld ? storedOf(found) : undefined };
  }

  private remove(key: Buffer, returnOld: boolean): Result {
    const found = this.get(key);
    if (found === undefined) return { type: 'absent' };
    this.values.delete(key.toString('latin1'));
    this.under.wrote = true;
    return { type: 'deleted', version: this.seq + 1, old: returnOld ? storedOf(found) : undefined };
  }

  private replace(key: Buffer, text: string): number {
    const found = this.get(key);
    return this.store(key, { expireAtMs: found?.expireAtMs ?? Infinity, contentType: found?.contentType, text });
  }

  private store(key: Buffer, value: Omit<PlainValue, 'version'>): number {
    const version = this.seq + 1;
    this.values.set(key.toString('latin1'), { ...value, version });
    this.under.wrote = true;
    return version;
  }

  private fitting(text: string): string {
    if (text.length > this.maxValueBytes) throw new Failure('too-large');
    return text;
  }

  private timeOf(expiry: Expiry, found: PlainValue | undefined): number {
    switch (expiry.type) {
      case 'never':
        return Infinity;
      case 'keep':
        return found?.expireAtMs ?? Infinity;
      case 'at':
        return expiry.atMs;
      case 'in':
        return this.clockMs + expiry.ms;
    }
  }
}

function storedOf(found: PlainValue | undefined): StoredValue | undefined {
  if (found === undefined) return undefined;
  const { version, expireAtMs, contentType, text } = found;
  return { version, expireAtMs: storedTime(expireAtMs), contentType, payload: Buffer.from(text, 'latin1') };
}

function storedTime(expireAtMs: number): number {
  return expireAtMs === Infinity ? 0 : expireAtMs;
}

function bitsOf(text: string): string {
  return Array.from(Buffer.from(text, 'latin1'), (byte) => byte.toString(2).padStart(8, '0')).join('');
}

function textOf(bits: string): string {
  const whole = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0');
  return (whole.match(/.{8}/g) ?? []).map((byte) => String.fromCharCode(parseInt(byte, 2))).join('');
}
