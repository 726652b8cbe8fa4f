/**
 * What a route pattern means, for the patterns that the route table can hold: static segments, `:params`, and at
 * most one wildcard, at the end: `*name` (one character or more) or `{*name}` (may be empty).
 *
 * Two patterns of one shape match the same paths; only the names of their parameters differ.
 *
 * Not for the rest of Express's pattern language (optional groups, wildcards in the middle): `parse` says so, and
 * such routes are left to Express.
 */

const STATIC_SEGMENT = /^[\w.~-]+$/;
const PARAM_SEGMENT = /^:([A-Za-z_]\w*)$/;
const WILDCARD_SEGMENT = /^(?:\*([A-Za-z_]\w*)|\{\*([A-Za-z_]\w*)\})$/;

export class RoutePattern {
  private constructor(
    /** As declared, without a trailing slash. It labels metrics. */
    readonly text: string,
    /** The names of the parameters from left to right, the wildcard's last. */
    readonly names: readonly string[],
    /** The pattern without names, in find-my-way's notation: `:p0`, `:p1` and `*`. */
    readonly shape: string,
    /** What find-my-way calls the parameters, in the order of `names`: `p0`, `p1`, `*`. */
    readonly positions: readonly string[],
    readonly wildcard: 'none' | 'required' | 'optional',
  ) {}

  /** @returns undefined when only Express can match `path`. */
  static parse(path: string): RoutePattern | undefined {
    const text = path.length > 1 ? path.replace(/\/+$/, '') : path;
    if (!text.startsWith('/')) return undefined;
    const segments = text === '/' ? [] : text.slice(1).split('/');
    const names: string[] = [];
    const shape: string[] = [];
    const positions: string[] = [];
    let wildcard: RoutePattern['wildcard'] = 'none';
    for (const segment of segments) {
      if (wildcard !== 'none') return undefined;
      const param = PARAM_SEGMENT.exec(segment)?.[1];
      const tail = WILDCARD_SEGMENT.exec(segment);
      const tailName = tail?.[1] ?? tail?.[2];
      if (param !== undefined) {
        const position = `p${names.length}`;
        shape.push(`:${position}`);
        positions.push(position);
        names.push(param);
      } else if (tailName !== undefined) {
        shape.push('*');
        positions.push('*');
        names.push(tailName);
        wildcard = segment.startsWith('{') ? 'optional' : 'required';
      } else if (STATIC_SEGMENT.test(segment)) {
        shape.push(segment);
      } else {
        return undefined;
      }
    }
    return new RoutePattern(text, names, `/${shape.join('/')}`, positions, wildcard);
  }
}
