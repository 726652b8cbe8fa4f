/** Goal: what hot routes are decorated with must not bring back what calling them directly saves. */
import 'reflect-metadata';

import { describe, expect, it } from '@jest/globals';

import { directCallOf, directMarkOf } from '@diststore/http';

import { DataController } from './data.controller.js';
import { KvController } from './kv.controller.js';

const methods = [DataController, KvController].flatMap((controller) =>
  Object.entries(Object.getOwnPropertyDescriptors(controller.prototype)).flatMap(([name, { value }]) => {
    const mark = typeof value === 'function' ? directMarkOf(value as object) : undefined;
    return mark === undefined ? [] : [{ route: `${controller.name}.${name}`, controller, mark }];
  }),
);

describe('hot routes', () => {
  it('are marked', () => {
    expect(methods.map(({ route }) => route)).toEqual(
      expect.arrayContaining(['DataController.get', 'DataController.putBody', 'KvController.get']),
    );
  });

  it.each(methods)('$route is called without Nest', ({ controller, mark }) => {
    expect(directCallOf(Object.create(controller.prototype) as object, mark)).toBeDefined();
  });
});
