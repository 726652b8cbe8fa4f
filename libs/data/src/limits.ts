/** Every bound of the data operations, with its reason. `check-operation.ts` says what happens at each. */
const KIB = 1024;
const MIB = 1024 * KIB;

/** As in stored records and in the log. */
export const KEY_BYTES_MAX = 1024;

/** As in the log, where 255 stands for "none". */
export const CONTENT_TYPE_BYTES_MAX = 254;

/** Operations of one transaction, comparisons included: about a millisecond in which nothing else is done. */
export const TRANSACTION_OPERATIONS_MAX = 1024;

/** Conditions of one operation: a request has at most one of each kind, and some room. */
export const CONDITIONS_MAX = 16;

/** Versions that one condition lists: nobody has more variants of one resource. */
export const CONDITION_VERSIONS_MAX = 256;

/** Steps of one bit field operation. */
export const BIT_FIELD_STEPS_MAX = 1024;

/** Sources of one bit operation. */
export const BIT_SOURCES_MAX = 1024;

/** Longest text taken for a decimal number. Redis refuses the same length. */
export const DECIMAL_TEXT_BYTES_MAX = 5 * KIB - 1;

/** What a number in a result may take as text: any sum of two such texts, and room. */
export const NUMBER_TEXT_BYTES_MAX = 8 * KIB;

/** What is kept of a result for repeated requests. The same as the log's bound of a result. */
export const RECEIPT_BYTES_MAX = 64 * KIB;

/** What all keys and values of one operation may come to, where a single value may not come to more. */
const OPERATION_BYTES_MAX = 32 * MIB;

/** Step and result of a bit field operation, as they count towards the size of an operation. */
export const BIT_FIELD_STEP_BYTES = 32;

export interface DataLimits {
  readonly maxValueBytes: number;
}

/**
 * What the keys, values and conditions of one operation may come to, and likewise what it writes and what its result
 * holds: an operation is one message and one log entry. At least one value of the largest size, and room for a key.
 */
export function operationBytesMax({ maxValueBytes }: DataLimits): number {
  return Math.max(maxValueBytes, OPERATION_BYTES_MAX) + MIB;
}

/** What an operation or a result takes at most in bytes, with all that stands around its values. */
export function messageBytesMax(limits: DataLimits): number {
  return operationBytesMax(limits) + MIB;
}
