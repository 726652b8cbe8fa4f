/**
 * Puts each compiled app and all that it loads into a few files, under dist/bundle. Node would spend most of a start on
 * finding and reading some 1,300 small files, and keep what it knows of each (measured for a worker: 1.2 s of processor
 * time instead of 0.5, and 10 MiB). `nest start` runs the compiler alone, and so the app as it is compiled.
 *
 * Stack traces keep the names of functions, those of arrow functions left out; `node --enable-source-maps` leads from
 * their positions to the sources.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { build } from 'esbuild';

import { reportAndExit } from './child.mjs';
import { root } from './setup.mjs';

const COMPILED = join(root, 'dist/apps');
const BUNDLE = join(root, 'dist/bundle');

/** As deep as the files of an app, so that from here, too, the worker is at ../../worker/src/main.js. */
const SHARED = 'shared/src';

const EXTERNAL = [
  // Finds its binary beside itself.
  'classic-level',
  // Loaded when the OpenAPI document is asked for; it reads files of its own.
  '@nestjs/swagger',
  // Not installed: Nest asks for them and does without.
  ...['@nestjs/microservices', '@nestjs/websockets', 'class-validator', 'class-transformer'],
];

/** What packages written as CommonJS expect; a module has none. */
const REQUIRE =
  "import { createRequire as createRequireOf } from 'node:module'; const require = createRequireOf(import.meta.url);";

async function main() {
  rmSync(BUNDLE, { recursive: true, force: true });
  const { outputFiles } = await build({
    write: false,
    entryPoints: ['master', 'worker'].map((app) => join(COMPILED, `${app}/src/main.js`)),
    outdir: BUNDLE,
    outbase: COMPILED,
    bundle: true,
    // What is loaded only when it is needed stays apart.
    splitting: true,
    chunkNames: `${SHARED}/[name]-[hash]`,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // Nest tells its own parts by the names of their classes, and shows those of ours; but see `nameClassesOnly`.
    keepNames: true,
    // Node keeps the text of what it runs: 7 MiB less of it.
    minifyWhitespace: true,
    sourcemap: true,
    external: EXTERNAL.flatMap((name) => [name, `${name}/*`]),
    banner: { js: REQUIRE },
    logLevel: 'error',
  });
  for (const { path, text } of nameClassesOnly(outputFiles)) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}

const NAMES = 'var __name=(target,value)=>__defProp(target,"name",{value,configurable:true});';
const NAMES_CLASSES =
  'var __name=(target,value)=>target.prototype===void 0?target:__defProp(target,"name",{value,configurable:true});';

/**
 * To keep a name, esbuild hands every function to this helper, and so every closure that a request makes (measured: 7 %
 * of a PUT). Arrow functions, of which nobody asks the name, have no prototype.
 */
function nameClassesOnly(files) {
  const changed = files.map(({ path, text }) => ({ path, text: text.replace(NAMES, NAMES_CLASSES) }));
  const count = changed.filter(({ text }) => text.includes(NAMES_CLASSES)).length;
  if (count !== 1)
    throw new Error(`The helper of esbuild that keeps names was found ${count} times, not once.`);
  return changed;
}

main().catch(reportAndExit);
