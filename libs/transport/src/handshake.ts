/**
 * What each side checks about the other's hello. Pure: the same rules for the side that dials and the side that is
 * dialled, so that neither relies on the other.
 */
import type { Hello, PeerIdentity } from './hello.js';
import { PROTOCOL_MAX, PROTOCOL_MIN } from './hello.js';
import type { KnownBoots } from './known-boots.js';
import { quoted, refusal } from './refusal.js';
import type { Refusal } from './refusal.js';

export interface HandshakeRules {
  readonly self: PeerIdentity;
  readonly boots: KnownBoots;
  /** The host's own judgement, asked last: a reason to refuse, or undefined. */
  readonly admit: (hello: Hello) => string | undefined;
}

/** What this side asked for; the side that is dialled has asked for nothing. */
export interface Dialled {
  readonly worker: number;
  readonly channel: string;
}

/** What both sides use. */
export interface Agreement {
  readonly protocol: number;
  readonly features: ReadonlySet<string>;
}

/** Why this side does not talk to the one that says `hello`, or undefined. Changes nothing. */
export function problemOfPeer(hello: Hello, rules: HandshakeRules, dialled?: Dialled): Refusal | undefined {
  const { self, boots, admit } = rules;
  // The version comes first: what the rest means depends on it.
  if (hello.protocolMin > PROTOCOL_MAX || hello.protocolMax < PROTOCOL_MIN) {
    const theirs = `protocol versions ${hello.protocolMin} to ${hello.protocolMax}`;
    const ours = `${PROTOCOL_MIN} to ${PROTOCOL_MAX}`;
    return refusal(
      'version',
      `worker ${hello.worker} speaks ${theirs}; worker ${self.worker} speaks ${ours}`,
    );
  }
  if (hello.cluster !== self.cluster) {
    const detail = `worker ${hello.worker} is of cluster ${hello.cluster}, worker ${self.worker} of ${self.cluster}`;
    return refusal('wrong-cluster', detail);
  }
  if (hello.to !== self.worker)
    return refusal('wrong-worker', `worker ${hello.to} was meant, but this is worker ${self.worker}`);
  if (dialled !== undefined && hello.worker !== dialled.worker)
    return refusal(
      'wrong-worker',
      `worker ${dialled.worker} was dialled, but worker ${hello.worker} answers`,
    );
  if (hello.worker === self.worker)
    return refusal('same-worker', `two processes, or one by a wrong address, are worker ${self.worker}`);
  if (dialled !== undefined && hello.channel !== dialled.channel)
    return refusal(
      'unknown-channel',
      `channel ${dialled.channel} was asked for, ${hello.channel} is answered`,
    );
  const stale = boots.problemOf(hello);
  if (stale !== undefined) return stale;
  const reason = admit(hello);
  return reason === undefined ? undefined : refusal('not-admitted', quoted(reason));
}

/** REQUIRES: `problemOfPeer` finds nothing. */
export function agreementWith(hello: Hello, features: ReadonlySet<string>): Agreement {
  return {
    protocol: Math.min(hello.protocolMax, PROTOCOL_MAX),
    features: new Set(hello.features.filter((feature) => features.has(feature))),
  };
}
