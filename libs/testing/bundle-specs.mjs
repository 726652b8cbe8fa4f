/**
 * Before Jest runs the unit tests: makes one file of each test and what it uses of our sources, under dist/specs.
 *
 * Jest finds, compiles and links every file anew for every test, and a library has one entry that leads to all of it,
 * and on to the packages. Many tests would load far more than they use, which cost more than the tests themselves.
 * A bundle leaves it out. Packages that are used are loaded by Jest; stack traces lead to the sources.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const BUNDLES = join(root, 'dist/specs');

/** Jest calls it once, before the first test. */
export default async function bundleSpecs() {
  const { outputFiles } = await build({
    write: false,
    absWorkingDir: root,
    entryPoints: ['apps/**/*.spec.ts', 'libs/**/*.spec.ts', 'test/docs/*.spec.ts'],
    outdir: BUNDLES,
    outbase: root,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // Nest shows the names of classes, and errors are told apart by theirs.
    keepNames: true,
    sourcemap: 'linked',
    sourcesContent: false,
    plugins: [{ name: 'own-urls', setup: keepOwnUrls }],
    logLevel: 'error',
  });
  for (const { path, contents } of outputFiles) replace(path, contents);
}

/** Where the bundle of a test is. */
export function bundleOf(spec) {
  return join(BUNDLES, relative(root, spec).replace(/\.ts$/, '.js'));
}

/** At once, since another run may be reading it. */
function replace(path, contents) {
  const written = `${path}.${process.pid}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(written, contents);
  renameSync(written, path);
}

/** Some files find others beside themselves, which their bundle is not. */
function keepOwnUrls({ onLoad }) {
  onLoad({ filter: /\.ts$/ }, ({ path }) => {
    const source = readFileSync(path, 'utf8');
    if (!source.includes('import.meta.url')) return undefined;
    const url = JSON.stringify(pathToFileURL(path).href);
    return { contents: source.replaceAll('import.meta.url', url), loader: 'ts' };
  });
}
