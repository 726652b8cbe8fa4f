// The import graph of ARCHITECTURE.md's code map, held by `npm run check`.
const lib = (name) => `^libs/${name}/`;
const pure = ['base', 'cluster', 'replication'];
/** What each library may import besides itself. */
const mayImport = {
  base: [],
  cluster: ['base'],
  replication: ['base', 'cluster'],
  data: ['base', 'cluster', 'replication'],
  config: ['base'],
  process: ['base', 'config', 'http'],
  storage: ['base'],
  metadata: ['base', 'storage'],
  transport: ['base'],
  redis: ['base'],
  http: ['base'],
  client: ['base', 'cluster'],
};

export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Not of types alone either: two files that need each other share an unnamed lower thing.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolved',
      comment: 'An import that resolves to nothing, or to a package that package.json does not name.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    ...pure.map((name) => ({
      name: `${name}-is-pure`,
      comment: 'Pure libraries import no Node module and no package.',
      severity: 'error',
      from: { path: lib(name), pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['core', 'npm', 'npm-dev'] },
    })),
    ...Object.entries(mayImport).map(([name, allowed]) => ({
      name: `${name}-imports-downwards`,
      severity: 'error',
      from: { path: lib(name), pathNot: '\\.spec\\.ts$' },
      to: { path: '^(libs|apps|test|bench)/', pathNot: [lib(name), ...allowed.map(lib)] },
    })),
    {
      name: 'apps-never-each-other',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'testing-is-for-tests',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: ['^libs/testing/', '^apps/[^/]+/test/', '\\.spec\\.ts$'] },
      to: { path: '^libs/testing/' },
    },
    {
      name: 'one-entry-per-library',
      comment: 'Other libraries and the apps reach a library through its index only.',
      severity: 'error',
      from: { path: '^(apps|libs|test|bench)/([^/]+)/' },
      to: { path: '^libs/[^/]+/src/(?!index\\.ts$)', pathNot: '^libs/$2/' },
    },
    {
      name: 'no-barrel-from-within',
      severity: 'error',
      from: { path: '^libs/([^/]+)/src/(?!index)' },
      to: { path: '^libs/$1/src/index\\.ts$' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
