/**
 * The routes that need no Express: a radix tree (find-my-way) over patterns of static segments, parameters and a
 * trailing wildcard. Both request paths ask this one table, so they agree on what a path means.
 *
 * Rules, the same for every route:
 * - The most specific pattern wins: static before parameter before wildcard, whatever the order of registration.
 * - Case matters; dots and repeated slashes are not normalised. A parameter is never empty.
 * - A trailing slash is optional, except under a wildcard, where it belongs to the parameter.
 * - HEAD is answered by the GET route unless a HEAD route of that path exists.
 * - Parameters are percent-decoded once, strictly: what is not UTF-8 is an error, never a replacement character.
 *   Decoding comes after matching, so an encoded slash or percent sign is data.
 *
 * Not for calling handlers: see direct-adapter.ts.
 */
import Router from 'find-my-way';

import { RoutePattern } from './route-pattern.js';

export const TABLE_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
export type TableMethod = (typeof TABLE_METHODS)[number];

export type Params = Record<string, string>;
export const NO_PARAMS: Params = Object.freeze({});
/** Parameters as they stand in the target, by position (RoutePattern.positions), with `%` written as ESCAPE. */
export type RawParams = Readonly<Record<string, string | undefined>>;

export class Route<Handler> {
  constructor(
    readonly method: TableMethod,
    readonly pattern: RoutePattern,
    readonly handler: Handler,
  ) {}

  /** Equal for two routes exactly when they match the same requests. */
  get key(): string {
    return `${this.method} ${this.pattern.shape}`;
  }
}

export interface FoundRoute<Handler> {
  readonly route: Route<Handler>;
  readonly raw: RawParams;
}

/** Longer than any parameter in a request line that Node's parser lets through; find-my-way's own default is 100. */
const PARAM_CHARS_MAX = 1 << 20;

/**
 * Stands for `%` while find-my-way matches, because find-my-way would decode it. Node's parser lets no NUL into a
 * request target, so nothing else can mean it.
 */
const ESCAPE = '\0';

export class RouteTable<Handler> {
  private readonly router = Router({ maxParamLength: PARAM_CHARS_MAX, querystringParser: () => undefined });
  private readonly keys = new Set<string>();
  private readonly methods = new Set<TableMethod>();

  /**
   * Adds a route. Of several routes with one key, the first stays in the table; the later ones can only be reached
   * when it passes the request on.
   * @returns undefined when the table cannot express `path`, and only Express can serve it.
   */
  add(method: TableMethod, path: string, handler: Handler): Route<Handler> | undefined {
    const pattern = RoutePattern.parse(path);
    if (pattern === undefined) return undefined;
    const route = new Route(method, pattern, handler);
    if (this.keys.has(route.key)) return route;
    this.keys.add(route.key);
    this.methods.add(method);
    const unused = () => undefined;
    this.router.on(method, pattern.shape, unused, route);
    if (pattern.wildcard === 'none' && pattern.shape !== '/') {
      this.router.on(method, `${pattern.shape}/`, unused, route);
    }
    return route;
  }

  /** @param path of a normal target (request-target.ts), without its query. */
  find(method: string, path: string): FoundRoute<Handler> | undefined {
    const escaped = path.includes('%') ? path.replaceAll('%', ESCAPE) : path;
    const found = this.lookUp(method, escaped);
    return found === undefined && method === 'HEAD' ? this.lookUp('GET', escaped) : found;
  }

  /** The methods that `path` has routes for, sorted, HEAD wherever GET is; empty when no route matches it. */
  methodsOf(path: string): string[] {
    const methods = TABLE_METHODS.filter((method) => this.methods.has(method) || method === 'HEAD');
    return methods.filter((method) => this.find(method, path) !== undefined).sort();
  }

  private lookUp(method: string, escaped: string): FoundRoute<Handler> | undefined {
    // An unknown method has no tree, and is no match.
    const found = this.router.find(method as TableMethod, escaped);
    if (found === null) return undefined;
    const route = found.store as Route<Handler>;
    return hasEmptyParam(route.pattern, found.params) ? undefined : { route, raw: found.params };
  }
}

/**
 * The parameters under the names of `pattern`, decoded.
 * @returns undefined when one of them is not percent-encoded UTF-8.
 */
export function paramsOf(pattern: RoutePattern, raw: RawParams): Params | undefined {
  const { names, positions } = pattern;
  const params: Params = {};
  for (let i = 0; i < names.length; i++) {
    const value = decoded(raw[positions[i] as string] ?? '');
    if (value === undefined) return undefined;
    params[names[i] as string] = value;
  }
  return params;
}

/** find-my-way matches an empty segment; a key is never empty, and Express does not match one either. */
function hasEmptyParam(pattern: RoutePattern, raw: RawParams): boolean {
  for (const position of pattern.positions) {
    if (raw[position] === '' && !(position === '*' && pattern.wildcard === 'optional')) return true;
  }
  return false;
}

function decoded(raw: string): string | undefined {
  if (!raw.includes(ESCAPE)) return raw;
  try {
    return decodeURIComponent(raw.replaceAll(ESCAPE, '%'));
  } catch {
    return undefined;
  }
}
