/**
 * How many bytes of bodies this process holds for its HTTP clients: request bodies while they arrive and until what
 * they ask for is done, and values until their clients have taken them. A slow client costs memory, and many of them
 * cost as much as is granted here and no more; the next one is told to come back.
 *
 * Counted is each body once. For moments there are copies: of a request body that came in pieces when it is put
 * together, and when its record is made. What LevelDB and the links to other workers hold is bounded by themselves.
 */
import { StoreError } from '@diststore/base';
import type { CallResponse, Reply } from '@diststore/http';

const MIB = 1024 * 1024;

/** Sixteen values of the default largest size. */
export const BODY_BYTES_IN_FLIGHT_MAX = 256 * MIB;

/** With a larger `maxValueBytes`, so many of the largest values still fit. */
const LARGEST_VALUES_IN_FLIGHT_MIN = 2;

export class BodyBudget {
  private taken = 0;

  constructor(readonly maxBytes: number) {}

  static forValuesOf(maxValueBytes: number): BodyBudget {
    return new BodyBudget(Math.max(BODY_BYTES_IN_FLIGHT_MAX, LARGEST_VALUES_IN_FLIGHT_MIN * maxValueBytes));
  }

  /** Bytes in flight. */
  get bytes(): number {
    return this.taken;
  }

  /** @throws StoreError too-many-requests: `bytes` more would pass the bound. Nothing is taken then. */
  take(bytes: number): void {
    if (this.taken + bytes > this.maxBytes) {
      const detail =
        `Bodies of ${this.taken} bytes are on their way to and from clients of this worker, ` +
        `the limit is ${this.maxBytes} (BODY_BYTES_IN_FLIGHT_MAX), and this one needs ${bytes}.`;
      throw new StoreError('too-many-requests', detail, { facts: { limitBytes: this.maxBytes } });
    }
    this.taken += bytes;
  }

  /** Takes `bytes` until the answer has left, or its client has. @throws as `take` */
  takeUntilSent(bytes: number, response: CallResponse): void {
    if (response.destroyed) return;
    this.take(bytes);
    response.once('close', () => this.give(bytes));
  }

  /**
   * As `takeUntilSent`, for the body of the answer to an operation.
   * @param hasWritten whether it may have.
   * @throws StoreError too-many-requests: there is no room for it; if it has written, outcome-unknown, since what is
   *   refused is done again.
   */
  takeForAnswer({ body }: Reply, response: CallResponse, hasWritten: boolean): void {
    const bytes = body?.length ?? 0;
    try {
      this.takeUntilSent(bytes, response);
    } catch (cause) {
      if (!hasWritten) throw cause;
      const detail = `It was done, but there is no room for an answer of ${bytes} bytes (BODY_BYTES_IN_FLIGHT_MAX).`;
      throw new StoreError('outcome-unknown', detail, { cause, facts: { limitBytes: this.maxBytes } });
    }
  }

  /** REQUIRES: `bytes` were taken, and are given back once. */
  give(bytes: number): void {
    this.taken -= bytes;
  }

  /** Takes nothing yet; for bodies whose size comes out on the way. */
  open(): Reservation {
    return new Reservation(this);
  }
}

/** What one request has taken. It may grow, and is given back as a whole, once. */
export class Reservation {
  private held = 0;
  private closed = false;

  constructor(private readonly budget: BodyBudget) {}

  /** @throws StoreError too-many-requests: it stays as it was. */
  grow(bytes: number): void {
    if (this.closed) return;
    this.budget.take(bytes);
    this.held += bytes;
  }

  /** Gives everything back. Later calls do nothing. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.budget.give(this.held);
  }
}
