// One configuration, two tiers: unit tests stand beside the code, end-to-end tests under test/.

/** Set by `npm run check`: see the file that it puts in the place of fast-check. */
const brief =
  process.env.DISTSTORE_BRIEF_PROPERTIES === undefined
    ? {}
    : { '^fast-check$': '<rootDir>/libs/testing/brief-properties.mjs' };

const base = {
  testEnvironment: 'node',
  // Tests import what they use.
  injectGlobals: false,
  extensionsToTreatAsEsm: ['.ts'],
};

export default {
  // A busy machine is no failure; what must be quick is measured by the bench.
  testTimeout: 30_000,
  projects: [
    {
      ...base,
      displayName: 'unit',
      testMatch: [
        '<rootDir>/{libs,apps}/**/*.spec.ts',
        '<rootDir>/test/docs/*.spec.ts',
        '<rootDir>/{bench,scripts}/**/*.spec.mjs',
      ],
      globalSetup: '<rootDir>/libs/testing/bundle-specs.mjs',
      transform: { '\\.spec\\.ts$': '<rootDir>/libs/testing/bundled-spec.mjs' },
      transformIgnorePatterns: ['/node_modules/', '<rootDir>/dist/'],
      moduleNameMapper: brief,
    },
    {
      ...base,
      displayName: 'e2e',
      testMatch: ['<rootDir>/test/**/*.e2e-spec.ts'],
      transform: {
        '^.+\\.ts$': [
          '@swc/jest',
          {
            jsc: {
              target: 'es2022',
              parser: { syntax: 'typescript', decorators: true },
              transform: { legacyDecorator: true },
            },
            module: { type: 'es6' },
          },
        ],
      },
      moduleNameMapper: {
        '^@diststore/([a-z]+)$': '<rootDir>/libs/$1/src/index.ts',
        '^(\\.{1,2}/.*)\\.js$': '$1',
      },
    },
  ],
};
