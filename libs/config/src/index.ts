export { optionRows, optionTable } from './help.js';
export type { OptionRow } from './help.js';
export { defineOptions, option, toggle } from './option-table.js';
export type {
  Config,
  ConfigOf,
  Option,
  OptionList,
  Options,
  OptionSpec,
  OptionTable,
} from './option-table.js';
export { parseOptions } from './parse.js';
export type { ParseInput, ParseResult } from './parse.js';
export { choice, integer, port } from './schemas.js';
export type { TextSchema } from './schemas.js';
