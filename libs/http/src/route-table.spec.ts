import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';

import { anyText } from '@diststore/testing';

import { RoutePattern } from './route-pattern.js';
import { paramsOf, RouteTable } from './route-table.js';

function tableOf(...patterns: string[]): RouteTable<string> {
  const table = new RouteTable<string>();
  for (const pattern of patterns) table.add('GET', pattern, pattern);
  return table;
}

/** The handler and parameters that `path` leads to. */
function lookUp(
  table: RouteTable<string>,
  path: string,
): [string, Record<string, string> | undefined] | undefined {
  const found = table.find('GET', path);
  return found && [found.route.handler, paramsOf(found.route.pattern, found.raw)];
}

describe('RoutePattern', () => {
  it.each(['/', '/a', '/a/:b', '/a/:b/c.json', '/v1/kv/*key', '/v1/kv/{*key}', '/~x/y-z_1'])(
    '%s fits the table',
    (path) => {
      expect(RoutePattern.parse(path)?.text).toBe(path);
    },
  );

  it.each(['/a/*key/b', '/a{/:b}', '/a/:b.json', '/a/:b-:c', '/a/(b)', 'a', '/a//b', '/a/*'])(
    '%s is left to Express',
    (path) => {
      expect(RoutePattern.parse(path)).toBeUndefined();
    },
  );

  it('two patterns have one shape when only names differ', () => {
    expect(RoutePattern.parse('/a/:b/*c')?.shape).toBe(RoutePattern.parse('/a/:x/{*y}')?.shape);
    expect(RoutePattern.parse('/a/:b')?.shape).not.toBe(RoutePattern.parse('/a/b')?.shape);
  });
});

describe('RouteTable', () => {
  it('the most specific pattern wins, in whatever order they come', () => {
    const table = tableOf('/a/*rest', '/a/:x', '/a/static');
    expect(lookUp(table, '/a/static')?.[0]).toBe('/a/static');
    expect(lookUp(table, '/a/other')).toEqual(['/a/:x', { x: 'other' }]);
    expect(lookUp(table, '/a/other/more')).toEqual(['/a/*rest', { rest: 'other/more' }]);
  });

  it('a trailing slash is optional, but belongs to a wildcard', () => {
    const table = tableOf('/a/:x', '/w/*rest', '/o/{*rest}', '/');
    expect(lookUp(table, '/a/1/')).toEqual(['/a/:x', { x: '1' }]);
    expect(lookUp(table, '/a/1//')).toBeUndefined();
    expect(lookUp(table, '/w/1/')).toEqual(['/w/*rest', { rest: '1/' }]);
    expect(lookUp(table, '/w/')).toBeUndefined();
    expect(lookUp(table, '/o/')).toEqual(['/o/{*rest}', { rest: '' }]);
    expect(lookUp(table, '/')?.[0]).toBe('/');
  });

  it('parameters are decoded once and strictly, after matching', () => {
    const table = tableOf('/a/:x', '/a/:x/:y');
    expect(lookUp(table, '/a/1%2F2')).toEqual(['/a/:x', { x: '1/2' }]);
    expect(lookUp(table, '/a/%2525/%00')).toEqual(['/a/:x/:y', { x: '%25', y: '\0' }]);
    expect(lookUp(table, '/a/%FF')).toEqual(['/a/:x', undefined]);
    expect(lookUp(table, '/%61/1')).toBeUndefined();
  });

  it('any key is found again, whatever it holds', () => {
    const table = tableOf('/get/:key', '/v1/kv/*key');
    fc.assert(
      fc.property(anyText({ minLength: 1, maxLength: 2_000 }), (key) => {
        const encoded = encodeURIComponent(key);
        expect(lookUp(table, `/get/${encoded}`)).toEqual(['/get/:key', { key }]);
        expect(lookUp(table, `/v1/kv/${encoded.replaceAll('%2F', '/')}`)).toEqual(['/v1/kv/*key', { key }]);
      }),
    );
  });

  it('HEAD finds the GET route unless it has its own', () => {
    const table = tableOf('/a', '/b');
    table.add('HEAD', '/b', 'own');
    expect(table.find('HEAD', '/a')?.route.handler).toBe('/a');
    expect(table.find('HEAD', '/b')?.route.handler).toBe('own');
  });

  it('knows the methods of a path', () => {
    const table = tableOf('/a/:x', '/a/b');
    table.add('PUT', '/a/:y', 'put');
    expect(table.methodsOf('/a/1')).toEqual(['GET', 'HEAD', 'PUT']);
    expect(table.methodsOf('/c')).toEqual([]);
    expect(table.find('BREW', '/a/1')).toBeUndefined();
  });

  it('keeps the first of several routes with one key', () => {
    const table = tableOf('/a/:x', '/a/:y');
    expect(lookUp(table, '/a/1')).toEqual(['/a/:x', { x: '1' }]);
  });
});
