/**
 * fast-check as `npm run check` has it: a property is tried a tenth as often as its test asks for. What is plainly
 * wrong shows at once; `npm test` looks for the rest.
 */
import fc from '../../node_modules/fast-check/lib/fast-check.js';

const FEWER = 10;
/** What fast-check does when a test does not say. */
const RUNS = 100;

export default {
  ...fc,
  assert: (property, parameters = {}) =>
    fc.assert(property, { ...parameters, numRuns: Math.ceil((parameters.numRuns ?? RUNS) / FEWER) }),
};
