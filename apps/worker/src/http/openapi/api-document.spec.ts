/** The OpenAPI document, linted: it is OpenAPI 3.1, and says of every route what a reader of it needs. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { ApplicationConfig, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { Validator } from '@seriousme/openapi-schema-validator';

import { CONTROLLERS } from '../../worker.module.js';
import { apiDocument } from './api-document.js';

interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly description?: string;
  }[];
  readonly requestBody?: { readonly content: object };
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: object }>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

let document: Document;
let operations: [route: string, operation: Operation][];

beforeAll(async () => {
  const builder = Test.createTestingModule({ controllers: CONTROLLERS }).useMocker(() => ({}));
  const app = (await builder.compile()).createNestApplication();
  document = JSON.parse(
    apiDocument({
      modules: app.get(ModulesContainer),
      config: app.get(ApplicationConfig),
      adapterHost: app.get(HttpAdapterHost),
    }),
  ) as Document;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method} ${path}`,
      operation,
    ]),
  );
});

function offenders(isGood: (operation: Operation, route: string) => boolean): string[] {
  return operations.filter(([route, operation]) => !isGood(operation, route)).map(([route]) => route);
}

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    // The validator takes an object for its own, and changes it.
    const own = structuredClone(document) as unknown as Record<string, unknown>;
    const { valid, errors } = await validator.validate(own);
    expect({ valid, errors }).toEqual({ valid: true, errors: undefined });
    expect(validator.version).toBe('3.1');
    expect(document.openapi).toBe('3.1.0');
  });

  it('names every operation once, and says what it is for', () => {
    const ids = operations.map(([, { operationId }]) => operationId);
    expect(ids).toEqual([...new Set(ids)]);
    expect(operations.length).toBeGreaterThan(20);
    expect(
      offenders(({ summary, tags }) => /^[A-Z].*[^.]$/.test(summary ?? '') && tags?.length === 1),
    ).toEqual([]);
  });

  it('describes every parameter, those in the path included, and none twice', () => {
    expect(
      offenders(({ parameters = [] }, route) => {
        const inPath = [...route.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        const declared = parameters.filter(({ in: place }) => place === 'path').map(({ name }) => name);
        const names = parameters.map(({ name, in: place }) => `${place} ${name.toLowerCase()}`);
        return (
          inPath.sort().join() === declared.sort().join() &&
          new Set(names).size === names.length &&
          parameters.every(({ description }) => /\w/.test(description ?? ''))
        );
      }),
    ).toEqual([]);
  });

  it('says of every operation how it ends well, and that it may end with a problem', () => {
    expect(
      offenders(({ responses }) => {
        const isProblem = JSON.stringify(responses['default']?.content ?? {}).includes(
          '#/components/schemas/Problem',
        );
        const good = Object.keys(responses).filter((status) => /^[23]/.test(status));
        return (
          isProblem &&
          good.length > 0 &&
          Object.values(responses).every(({ description }) => /\w/.test(description ?? ''))
        );
      }),
    ).toEqual([]);
  });

  it('says of every operation that takes a body what it holds', () => {
    const bodies = Object.fromEntries(
      operations
        .filter(([route]) => /^(put|post) \/v1/.test(route))
        .map(([route, { requestBody }]) => [route, Object.keys(requestBody?.content ?? {})]),
    );
    expect(Object.entries(bodies).filter(([, types]) => types.length !== 1)).toEqual([]);
  });
});
