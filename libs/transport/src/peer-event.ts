/**
 * What happens to links, for the host's log: few, and each with its reason. `describeEvent` is the line for people.
 */
import type { CloseReason } from './close-reason.js';
import type { RefusalCode } from './refusal.js';

export type Direction = 'outgoing' | 'incoming';

export type PeerEvent =
  | {
      readonly type: 'opened';
      readonly direction: Direction;
      readonly worker: number;
      readonly channel: string;
      readonly boot: number;
    }
  | {
      readonly type: 'closed';
      readonly direction: Direction;
      readonly worker: number;
      readonly channel: string;
      readonly reason: CloseReason;
    }
  /** This side refused. `from` is the address, for there may be no hello to believe. */
  | {
      readonly type: 'refused';
      readonly direction: Direction;
      readonly from: string;
      readonly code: RefusalCode;
      readonly detail: string;
    }
  /** Attempts to connect have come to nothing for dialPatienceMs; a refusal by the peer is in `detail`, with the peer's reason. */
  | {
      readonly type: 'dial-failed';
      readonly worker: number;
      readonly channel: string;
      readonly at: string;
      readonly detail: string;
    };

/** Told about events. Must not throw. `suppressed`: how many of the same text were left out since the last one. */
export type PeerEventListener = (event: PeerEvent, suppressed: number) => void;

/** One line, without the time. */
export function describeEvent(event: PeerEvent): string {
  switch (event.type) {
    case 'opened':
      return `The ${event.direction} ${event.channel} link with worker ${event.worker} is open (its boot ${event.boot}).`;
    case 'closed': {
      const { code, detail } = event.reason;
      return `The ${event.direction} ${event.channel} link with worker ${event.worker} is closed (${code}): ${detail}.`;
    }
    case 'refused':
      return `The ${event.direction} link with ${event.from} was refused (${event.code}): ${event.detail}.`;
    case 'dial-failed':
      return `Worker ${event.worker} cannot be reached at ${event.at} for ${event.channel}: ${event.detail}.`;
  }
}

/** Whether somebody should look: not for what is opened and closed in order. */
export function isTrouble(event: PeerEvent): boolean {
  switch (event.type) {
    case 'opened':
      return false;
    case 'closed':
      return event.reason.code !== 'closed' && event.reason.code !== 'closed-by-peer';
    default:
      return true;
  }
}
