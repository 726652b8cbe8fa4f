/**
 * The OpenAPI 3.1 document of this worker, generated from its controllers: their routes as Nest knows them, and what
 * `Described` says of each. Everything here is loaded with the first request for it.
 */
import { RequestMethod } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import type { ApplicationConfig, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { ERRORS, VERSION } from '@diststore/base';
import {
  ApiBody,
  ApiConsumes,
  ApiHeader,
  ApiOperation,
  ApiParam,
  ApiProduces,
  ApiQuery,
  ApiResponse,
  ApiTags,
  DocumentBuilder,
  SwaggerModule,
} from '@nestjs/swagger';

import { REFUSALS } from '../refusals.js';
import { DESCRIPTION } from './described.js';
import type { Description, ParameterDescription } from './described.js';

export interface ApplicationParts {
  readonly modules: ModulesContainer;
  readonly config: ApplicationConfig;
  readonly adapterHost: HttpAdapterHost;
}

/** As JSON text. */
export function apiDocument(parts: ApplicationParts): string {
  describeAll(parts.modules);
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('diststore worker')
    .setDescription(
      'A distributed key-value store. Every refusal is an `application/problem+json` with a stable `code`.',
    )
    .setVersion(VERSION)
    .setLicense('MIT', 'https://spdx.org/licenses/MIT.html')
    .addServer('/')
    .build();
  const document = SwaggerModule.createDocument(applicationOf(parts), config, { autoTagControllers: false });
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: problemSchema() },
  };
  return JSON.stringify(document);
}

/** The generator looks at these parts of an application, and an application cannot be injected. */
function applicationOf({ modules, config, adapterHost }: ApplicationParts): INestApplication {
  const parts = {
    container: { getModules: () => modules, isGlobalModule: () => false },
    config,
    getHttpAdapter: () => adapterHost.httpAdapter,
  };
  return parts as unknown as INestApplication;
}

/** Applies the generator's decorators to every described route, and to no route twice. */
function describeAll(modules: ModulesContainer): void {
  for (const { controllers } of modules.values()) {
    for (const { metatype } of controllers.values()) {
      const prototype = (metatype as { prototype: object }).prototype;
      for (const name of Object.getOwnPropertyNames(prototype)) {
        const descriptor = Object.getOwnPropertyDescriptor(prototype, name);
        const handler: unknown = descriptor?.value;
        if (descriptor === undefined || typeof handler !== 'function') continue;
        const description = Reflect.getMetadata(DESCRIPTION, handler) as Description | undefined;
        if (description === undefined) continue;
        const method = Reflect.getMetadata('method', handler) as RequestMethod;
        for (const decorate of decoratorsOf(description, method)) decorate(prototype, name, descriptor);
      }
    }
  }
}

function decoratorsOf(description: Description, method: RequestMethod): MethodDecorator[] {
  const {
    tag,
    summary,
    details,
    parameters = [],
    body,
    answers,
    produces = ['application/json'],
  } = description;
  const decorators: MethodDecorator[] = [
    ApiTags(tag),
    ApiOperation({ summary, ...(details === undefined ? {} : { description: details }) }),
    ApiProduces(...produces),
    ...parameters.map(parameterDecorator),
  ];
  for (const [status, meaning] of Object.entries(answers)) {
    decorators.push(ApiResponse({ status: Number(status), description: meaning }));
  }
  decorators.push(
    ApiResponse({
      status: 'default',
      description: 'A problem.',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    }),
  );
  if (body !== undefined && method !== RequestMethod.GET) {
    const schema =
      body.type === 'application/json' ? { type: 'object' } : { type: 'string', format: 'binary' };
    const example = body.example === undefined ? {} : { example: body.example };
    decorators.push(
      ApiConsumes(body.type),
      ApiResponse({ status: 415, description: 'The body has a Content-Encoding; nothing was stored.' }),
      ApiBody({ description: body.description, schema: { ...schema, ...example } }),
    );
  }
  return decorators;
}

function parameterDecorator({
  name,
  in: place,
  description,
  example,
}: ParameterDescription): MethodDecorator {
  const schema = { type: typeof example === 'number' ? 'integer' : 'string' };
  const common = { name, description, schema, ...(example === undefined ? {} : { example }) };
  if (place === 'path') return ApiParam({ ...common, required: true });
  return place === 'query'
    ? ApiQuery({ ...common, required: false })
    : ApiHeader({ ...common, required: false });
}

function problemSchema(): object {
  return {
    type: 'object',
    description: 'RFC 9457. Facts of the error, such as limits, are further members.',
    required: ['type', 'title', 'status', 'detail', 'code', 'retryable'],
    properties: {
      type: { type: 'string' },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: { type: 'string' },
      code: { type: 'string', enum: [...Object.keys(ERRORS), ...Object.keys(REFUSALS)] },
      retryable: { type: 'boolean' },
      remedy: { type: 'string' },
    },
  };
}
