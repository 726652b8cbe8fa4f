/** What reading a command's arguments gives: the value, or the error reply that answers the command. */
import type { ErrorReply } from './reply.js';

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: ErrorReply };

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function refused(error: ErrorReply): { readonly ok: false; readonly error: ErrorReply } {
  return { ok: false, error };
}
