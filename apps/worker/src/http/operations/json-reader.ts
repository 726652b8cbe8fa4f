/**
 * JSON of a client, read strictly: within a bound of bytes and of nesting, and field by field. What is malformed or
 * unknown is refused with where it stands: `operations[3].ttl`. Nothing here recurses on the input.
 */
import { StoreError } from '@diststore/base';

/** Deeper than any request is. A body that goes deeper is refused before it is parsed. */
export const JSON_DEPTH_MAX = 16;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = new Set([0x5b, 0x7b]);
const CLOSE = new Set([0x5d, 0x7d]);

/** @throws StoreError bad-request: no JSON, or nested too deeply. */
export function parseJson(bytes: Buffer, where: string): unknown {
  checkDepth(bytes, where);
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown;
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message.slice(0, 120) : '';
    throw new StoreError('bad-request', `${where} is not JSON: ${why}.`, { facts: { where } });
  }
}

function checkDepth(bytes: Buffer, where: string): void {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] as number;
    if (inString) {
      if (byte === BACKSLASH) i += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (OPEN.has(byte)) {
      depth += 1;
      if (depth > JSON_DEPTH_MAX) {
        const detail = `${where} is nested deeper than ${JSON_DEPTH_MAX} levels (JSON_DEPTH_MAX).`;
        throw new StoreError('bad-request', detail, { facts: { where, limitLevels: JSON_DEPTH_MAX } });
      }
    } else if (CLOSE.has(byte)) {
      depth -= 1;
    }
  }
}

/** @param why completes the sentence "<where> …", without a full stop. */
export function badField(where: string, why: string): StoreError {
  return new StoreError('bad-request', `${where} ${why}.`, { facts: { where } });
}

/** The fields of one JSON object. Every reading method throws StoreError bad-request. */
export class JsonObject {
  private readonly fields: Readonly<Record<string, unknown>>;

  /** @param names all that it may have. */
  constructor(
    value: unknown,
    readonly where: string,
    names: readonly string[],
  ) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw badField(where, 'is not an object');
    this.fields = value as Readonly<Record<string, unknown>>;
    const stranger = Object.keys(value).find((name) => !names.includes(name));
    if (stranger !== undefined) {
      const list = names.join(', ');
      throw badField(
        where,
        `has an unknown field, ${JSON.stringify(stranger.slice(0, 40))}; known here: ${list}`,
      );
    }
  }

  at(name: string): string {
    return `${this.where}.${name}`;
  }

  has(name: string): boolean {
    return this.fields[name] !== undefined && this.fields[name] !== null;
  }

  raw(name: string): unknown {
    return this.fields[name];
  }

  text(name: string): string | undefined {
    if (!this.has(name)) return undefined;
    const value = this.fields[name];
    if (typeof value === 'string') return value;
    throw badField(this.at(name), 'is not a text');
  }

  wholeNumber(name: string, { min, max }: { min: number; max: number }): number | undefined {
    if (!this.has(name)) return undefined;
    const value = this.fields[name];
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw badField(this.at(name), `is not a whole number from ${min} to ${max}`);
  }

  list(name: string): readonly unknown[] | undefined {
    if (!this.has(name)) return undefined;
    const value = this.fields[name];
    if (Array.isArray(value)) return value as readonly unknown[];
    throw badField(this.at(name), 'is not a list');
  }

  /** Bytes that are given as `name`, or as `name64` in canonical base64url. */
  bytes(name: string): Buffer | undefined {
    const text = this.text(name);
    const text64 = this.text(`${name}64`);
    if (text !== undefined && text64 !== undefined)
      throw badField(this.where, `has both ${name} and ${name}64`);
    if (text !== undefined) return Buffer.from(text);
    if (text64 === undefined) return undefined;
    const bytes = Buffer.from(text64, 'base64url');
    if (bytes.toString('base64url') === text64) return bytes;
    throw badField(this.at(`${name}64`), 'is not base64url without padding');
  }

  requiredBytes(name: string): Buffer {
    const bytes = this.bytes(name);
    if (bytes !== undefined) return bytes;
    throw badField(this.where, `has neither ${name} nor ${name}64`);
  }
}
