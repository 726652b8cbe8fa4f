/**
 * Keys and values in JSON: as text when they are UTF-8, which most are, and as base64url in a field of another name
 * when they are not, so that nothing is ever re-encoded or lost.
 */
import { isUtf8 } from 'node:buffer';

/** One of the two is undefined, which JSON leaves out. */
export type KeyName = { readonly key: string | undefined; readonly key64: string | undefined };
export type ValueText = { readonly value: string } | { readonly value64: string };

export function nameOf(key: Buffer): KeyName {
  return isUtf8(key)
    ? { key: key.toString('utf8'), key64: undefined }
    : { key: undefined, key64: key.toString('base64url') };
}

export function valueText(value: Buffer): ValueText {
  return isUtf8(value) ? { value: value.toString('utf8') } : { value64: value.toString('base64url') };
}
