/**
 * The OpenAPI document, and a page to browse it, with all that the page needs from this very process. The generator is
 * loaded at the first request for the document, the page's files are read from disk when they are asked for.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

import { Controller, Get, Inject, Param } from '@nestjs/common';
import { ApplicationConfig, HttpAdapterHost, ModulesContainer } from '@nestjs/core';
import { StoreError } from '@diststore/base';
import { Reply } from '@diststore/http';

import type { ApplicationParts } from './api-document.js';
import { Described } from './described.js';

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>diststore: HTTP API</title>
<link rel="stylesheet" href="/docs/swagger-ui.css">
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
</head>
<body>
<div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
`;
const START = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#api', deepLinking: true, validatorUrl: null });\n`;

/** The page's files that are served, and nothing else of their package. */
const FILE_TYPES = {
  'swagger-ui.css': 'text/css; charset=utf-8',
  'swagger-ui-bundle.js': 'text/javascript; charset=utf-8',
  'favicon-32x32.png': 'image/png',
} as const;

/** The page runs its own scripts, talks to this worker, and to nobody else. */
const PAGE_HEADERS = [
  ...['X-Content-Type-Options', 'nosniff', 'Referrer-Policy', 'no-referrer', 'Cache-Control', 'no-cache'],
  'Content-Security-Policy',
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'",
];

@Controller()
export class ApiDocumentController {
  private document: Promise<string> | undefined;

  private readonly parts: ApplicationParts;

  constructor(
    @Inject(ModulesContainer) modules: ModulesContainer,
    @Inject(ApplicationConfig) config: ApplicationConfig,
    @Inject(HttpAdapterHost) adapterHost: HttpAdapterHost,
  ) {
    this.parts = { modules, config, adapterHost };
  }

  @Get('openapi.json')
  @Described({ tag: 'this document', summary: 'The OpenAPI document', answers: { 200: 'OpenAPI 3.1.' } })
  async openapi(): Promise<Reply> {
    this.document ??= import('./api-document.js').then(({ apiDocument }) => apiDocument(this.parts));
    return new Reply(
      200,
      ['Content-Type', 'application/json; charset=utf-8', 'Cache-Control', 'no-cache'],
      await this.document,
    );
  }

  @Get('docs')
  @Described({
    tag: 'this document',
    summary: 'A page to browse it',
    answers: { 200: 'HTML.' },
    produces: ['text/html'],
  })
  page(): Reply {
    return new Reply(200, ['Content-Type', 'text/html; charset=utf-8', ...PAGE_HEADERS], PAGE);
  }

  @Get('docs/:file')
  @Described({
    tag: 'this document',
    summary: 'A file of that page',
    parameters: [{ name: 'file', in: 'path', description: 'Its name.', example: 'start.js' }],
    answers: { 200: 'The file.' },
    produces: ['text/css', 'text/javascript', 'image/png'],
  })
  async file(@Param('file') name: string): Promise<Reply> {
    if (name === 'start.js')
      return new Reply(200, ['Content-Type', 'text/javascript; charset=utf-8', ...PAGE_HEADERS], START);
    if (!isFile(name)) throw new StoreError('route-not-found', 'The page has no file of this name.');
    return new Reply(
      200,
      ['Content-Type', FILE_TYPES[name], ...PAGE_HEADERS],
      await readFile(path.join(assetFolder(), name)),
    );
  }
}

function isFile(name: string): name is keyof typeof FILE_TYPES {
  return Object.hasOwn(FILE_TYPES, name);
}

/** The package of the page is the generator's dependency, not ours: it is found from there. */
function assetFolder(): string {
  const generator = createRequire(import.meta.url).resolve('@nestjs/swagger/package.json');
  return path.dirname(createRequire(generator).resolve('swagger-ui-dist/package.json'));
}
