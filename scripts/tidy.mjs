/**
 * House rules that no other tool holds, as a check. Each rule is a function that returns what breaks it.
 * Add a rule here rather than to a page of conventions.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Generated, fetched, or not ours. */
const PASSED_OVER = new Set(['.git', 'node_modules', 'dist', 'data', 'coverage', '.setup-lock']);

/** Licences that a program under the MIT licence may depend on and be passed on with. */
const LICENCES = new Set([
  ...['MIT', 'MIT-0', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'Apache-2.0', 'BlueOak-1.0.0'],
  ...['CC0-1.0', 'CC-BY-4.0', 'Python-2.0', 'Unlicense', 'Zlib'],
]);

const RULES = [leftovers, wholesaleExports, machinePaths, undocumentedDependencies, licences, lockfileHosts];

const files = textFiles(root);
const problems = RULES.flatMap((rule) => rule());
if (problems.length > 0) console.error(problems.join('\n'));
process.exitCode = problems.length === 0 ? 0 : 1;

/** What was meant to be taken out again before it is committed. */
function leftovers() {
  return linesMatching(/\.only\(|\bFIXME\b|\bTODO\b/, 'left over', (path) => path.endsWith('.ts'));
}

/** A library's entry lists its names, so that nothing becomes public by accident. */
function wholesaleExports() {
  return linesMatching(/^export \*/, 'name what is exported', (path) =>
    /^libs\/[^/]+\/src\/index\.ts$/.test(path),
  );
}

/** What holds on one machine only. The brackets keep these patterns from matching themselves. */
function machinePaths() {
  return [
    ...linesMatching(/(?<![\w.)}])\/(?:wor[k]|roo[t]|Users)\//, 'a path of one machine'),
    ...linesMatching(/https?:\/\/[\w.-]*(?:registr[y]|artifactor[y]|verdacci[o])/i, 'a package registry'),
  ];
}

/** Every dependency has its line of justification, and no line outlives its dependency. */
function undocumentedDependencies() {
  const document = 'docs/dependencies.md';
  if (!existsSync(join(root, document))) return [`${document} is missing`];
  const { dependencies, devDependencies } = json('package.json');
  const used = new Set(Object.keys({ ...dependencies, ...devDependencies }));
  const rows = read(document).matchAll(/^\|\s*\[?`([^`]+)`/gm);
  const documented = new Set(Array.from(rows, ([, name]) => name));
  return [
    ...[...used].filter((name) => !documented.has(name)).map((name) => `${document}: no row for ${name}`),
    ...[...documented]
      .filter((name) => !used.has(name))
      .map((name) => `${document}: ${name} is not a dependency`),
  ];
}

/** Of everything that is installed for production, indirect dependencies included. */
function licences() {
  return Object.entries(json('package-lock.json').packages)
    .filter(([path, { dev }]) => path !== '' && !dev)
    .map(([path, { license }]) => ({ path, licence: license ?? licenceOf(path) }))
    .filter(({ licence }) => !allows(licence))
    .map(({ path, licence }) => `package-lock.json: ${path} has the licence ${licence}`);
}

function licenceOf(path) {
  const manifest = join(path, 'package.json');
  if (!existsSync(join(root, manifest))) return 'unknown';
  const { license, licenses = [] } = json(manifest); // The second is how old packages say it.
  return license ?? licenses.map(({ type }) => type).join(' OR ');
}

/** An SPDX expression without nesting, as npm packages have them: any of the OR, all of the AND. */
function allows(expression) {
  const choices = expression.replace(/[()]/g, '').split(' OR ');
  return choices.some((choice) => choice.split(' AND ').every((licence) => LICENCES.has(licence)));
}

/** The lockfile names no host, so that it serves behind any mirror. */
function lockfileHosts() {
  return Object.entries(json('package-lock.json').packages)
    .filter(([, { resolved }]) => /^(https?|git)/.test(resolved ?? ''))
    .map(([path]) => `package-lock.json: ${path} names where it was fetched from`);
}

function linesMatching(pattern, complaint, applies = () => true) {
  return files.filter(applies).flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${complaint}: ${line.trim()}`] : [])),
  );
}

function textFiles(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (PASSED_OVER.has(entry.name) || entry.name === 'package-lock.json') return [];
    if (entry.isDirectory()) return textFiles(path);
    return entry.isFile() && !readFileSync(path).includes(0)
      ? [relative(root, path).split(sep).join('/')]
      : [];
  });
}

function read(path) {
  return readFileSync(join(root, path), 'utf8');
}

function json(path) {
  return JSON.parse(read(path));
}
