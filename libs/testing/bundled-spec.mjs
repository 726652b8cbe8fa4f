/** For Jest: turns a unit test into the import of its bundle, which `bundle-specs.mjs` has made. */
import { pathToFileURL } from 'node:url';

import { bundleOf } from './bundle-specs.mjs';

export default {
  process: (_source, spec) => ({ code: `import ${JSON.stringify(pathToFileURL(bundleOf(spec)).href)};` }),
};
