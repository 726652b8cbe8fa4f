/** What replicas do, as metrics: roles, epochs, lag, commits, failovers, copies, and what should never happen. */
import { DurationTally } from '@diststore/http';
import type { Metrics } from '@diststore/http';
import { Counter, Gauge } from 'prom-client';

import type { ReplicaObserver } from './replica-observer.js';
import type { WorkerReplicas } from './worker-replicas.js';

/** Seconds: from one fsync of a fast disk to a failover. */
const COMMIT_BOUNDS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

const ROLES = ['primary', 'stopping', 'follower', 'learner', 'none', 'quarantined'] as const;

export class ReplicaMetrics implements ReplicaObserver {
  private readonly commits = new DurationTally(COMMIT_BOUNDS_S);
  private readonly failovers = counter('diststore_failovers_total', 'Partitions that this worker took over.');
  private readonly snapshots = new Counter({
    name: 'diststore_snapshots_total',
    help: 'Whole copies of a partition sent to another worker, by outcome.',
    labelNames: ['outcome'],
    registers: [],
  });
  private readonly quarantines = counter('diststore_quarantines_total', 'Replicas that were found unusable.');
  private readonly losses = counter(
    'diststore_lost_request_rows_total',
    'Damaged rows about requests that the only copy of a partition could not send to another worker.',
  );
  private readonly erasures = counter('diststore_erased_replicas_total', 'Replicas that were erased.');
  private readonly unreadable = counter(
    'diststore_malformed_messages_total',
    'Messages of peers that could not be read.',
  );
  private readonly stalls = counter(
    'diststore_event_loop_stalls_total',
    'Times that this process stood still for too long.',
  );
  private readonly jumps = counter(
    'diststore_clock_jumps_total',
    'Times that the clocks of this machine disagreed.',
  );

  failover(): void {
    this.failovers.inc();
  }

  committed(durationMs: number): void {
    this.commits.add(durationMs / 1000);
  }

  snapshot(_partition: unknown, _to: unknown, what: 'begun' | 'sent' | 'given-up'): void {
    this.snapshots.inc({ outcome: what });
  }

  quarantined(): void {
    this.quarantines.inc();
  }

  lost(_partition: unknown, rows: number): void {
    this.losses.inc(rows);
  }

  erased(): void {
    this.erasures.inc();
  }

  malformed(): void {
    this.unreadable.inc();
  }

  stalled(): void {
    this.stalls.inc();
  }

  clockJumped(): void {
    this.jumps.inc();
  }

  /** As of when it was last asked for. */
  private readonly epochs = new Map<number, number>();

  /** Adds these metrics, and what is here now, to what /metrics shows. */
  register(metrics: Metrics, replicas: Pick<WorkerReplicas, 'hosted'>): void {
    const { registry } = metrics;
    metrics.addHistogram(
      'diststore_commit_duration_seconds',
      'From handing a write to its replica until every in-sync replica has it on disk.',
      this.commits,
    );
    const { failovers, snapshots, quarantines, losses, erasures, unreadable, stalls, jumps } = this;
    for (const metric of [failovers, snapshots, quarantines, losses, erasures, unreadable, stalls, jumps])
      registry.registerMetric(metric);
    new Gauge({
      name: 'diststore_replicas',
      help: 'Replicas on this worker, by role.',
      labelNames: ['role'],
      registers: [registry],
      collect(): void {
        const roles = replicas
          .hosted()
          .map(({ state, status }) => (state === 'quarantined' ? state : status?.role));
        for (const role of ROLES) this.set({ role }, roles.filter((each) => each === role).length);
      },
    });
    new Gauge({
      name: 'diststore_replica_lag_entries',
      help: 'Largest number of log entries that one of the replicas led from here is behind.',
      registers: [registry],
      collect(): void {
        let lag = 0;
        for (const { status } of replicas.hosted())
          if (status?.role === 'primary')
            for (const { installed, acked } of status.peers)
              if (installed) lag = Math.max(lag, status.last - acked);
        this.set(lag);
      },
    });
    new Gauge({
      name: 'diststore_replica_lag_seconds',
      help: 'Longest time since one of the secondaries here last heard its primary, or since the start.',
      registers: [registry],
      collect(): void {
        this.set(Math.max(0, ...replicas.hosted().map(({ lagMs = 0 }) => lagMs)) / 1000);
      },
    });
    new Gauge({
      name: 'diststore_epoch_highest',
      help: 'Highest epoch of a partition of which a replica is here.',
      registers: [registry],
      collect(): void {
        this.set(Math.max(0, ...replicas.hosted().map(({ configuration }) => configuration?.epoch ?? 0)));
      },
    });
    const { epochs } = this;
    new Counter({
      name: 'diststore_epoch_changes_total',
      help: 'Changes of the configurations of partitions while a replica of them was here.',
      registers: [registry],
      collect(): void {
        for (const { partition, configuration } of replicas.hosted()) {
          if (configuration === undefined) continue;
          const { epoch } = configuration;
          this.inc(Math.max(0, epoch - (epochs.get(partition) ?? epoch)));
          epochs.set(partition, epoch);
        }
      },
    });
  }
}

function counter(name: string, help: string): Counter {
  return new Counter({ name, help, registers: [] });
}
