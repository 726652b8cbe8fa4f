/**
 * The request target (RFC 9112, section 3.2) in one normal form, before anything routes by it: origin form, without
 * a fragment. Two routers look at the same target (the radix table and Express), and they agree only if neither has
 * to interpret what the other reads differently.
 *
 * Not for decoding: percent-encoding stays as the client sent it, so that `%2F` is never taken for a separator. Dots
 * and repeated slashes are data, since a key may hold them. Bytes above 0x7E never get here: Node's parser refuses
 * them.
 */

const SLASH = 47;
const ABSOLUTE_FORM = /^https?:\/\/[^/?#]*(.*)$/is;

/** @returns `target` itself in the common case; otherwise its path and query. `*` and authority form stay as they are. */
export function normalTarget(target: string): string {
  if (target.charCodeAt(0) === SLASH && !target.includes('#')) return target;
  const rest = ABSOLUTE_FORM.exec(target)?.[1] ?? target;
  const fragmentAt = rest.indexOf('#');
  const bare = fragmentAt === -1 ? rest : rest.slice(0, fragmentAt);
  return bare === '' || bare.startsWith('?') ? `/${bare}` : bare;
}

/** The part of a normal target before its query. */
export function pathOf(target: string): string {
  const queryAt = target.indexOf('?');
  return queryAt === -1 ? target : target.slice(0, queryAt);
}

/** The part of a normal target after the first `?`; empty if there is none. */
export function queryOf(target: string): string {
  const queryAt = target.indexOf('?');
  return queryAt === -1 ? '' : target.slice(queryAt + 1);
}
