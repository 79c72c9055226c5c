/** A kind of world: what happens in it, and how often. */
export interface Profile {
  readonly name: string;
  readonly log: 'kafka' | 'postgres';
  /** At least this many transactions, at most twice as many. */
  readonly transactions: number;
  /** Chance per step that the next change happens. */
  readonly pace: number;
  /** Crashes, restarts and changed settings, as a factor. */
  readonly chaos: number;
  readonly sweeps: number;
  /** Probability of a transient failure per call. */
  readonly faults: number;
  readonly settings: boolean;
  readonly truncates: boolean;
  readonly poison: boolean;
  readonly lookups: boolean;
  readonly resends: boolean;
  readonly reads: boolean;
  /** Probability that a batch, or a chunk of a snapshot, is held up for longer than the sweeper waits. */
  readonly stalls: number;
  /** Processes share the partitions as a consumer group does. */
  readonly group: boolean;
  /** Dead letters are retried from the log, also while everything else goes on. */
  readonly fetches: boolean;
}

const everything = {
  transactions: 7,
  pace: 0.05,
  chaos: 1,
  sweeps: 1,
  faults: 0.02,
  settings: true,
  truncates: true,
  resends: true,
  reads: true,
  stalls: 0,
  group: false,
  fetches: false,
};

export const PROFILES = {
  kafka: { ...everything, name: 'kafka', log: 'kafka', poison: false, lookups: false },
  postgres: { ...everything, name: 'postgres', log: 'postgres', poison: false, lookups: true },
  poison: { ...everything, name: 'poison', log: 'kafka', poison: true, lookups: true },
  'poison-postgres': { ...everything, name: 'poison-postgres', log: 'postgres', poison: true, lookups: true },
  hot: { ...everything, name: 'hot', log: 'kafka', poison: false, lookups: false, chaos: 4 },
  'hot-postgres': { ...everything, name: 'hot-postgres', log: 'postgres', poison: false, lookups: true, chaos: 4 },
  slow: {
    ...everything,
    name: 'slow',
    log: 'kafka',
    poison: false,
    lookups: false,
    chaos: 0.3,
    sweeps: 4,
    pace: 0.012,
  },
  /** Work that takes longer than the sweeper waits. */
  stalls: {
    ...everything,
    name: 'stalls',
    log: 'kafka',
    poison: false,
    lookups: false,
    chaos: 0.5,
    sweeps: 4,
    pace: 0.03,
    stalls: 0.08,
  },
  'stalls-postgres': {
    ...everything,
    ...{ name: 'stalls-postgres', log: 'postgres', poison: false, lookups: true },
    ...{ chaos: 0.5, sweeps: 4, pace: 0.03, stalls: 0.08 },
  },
  /** Partitions wander between processes that join, leave, crash and freeze. */
  group: {
    ...everything,
    ...{ name: 'group', log: 'kafka', poison: false, lookups: false, settings: false, group: true, chaos: 2 },
  },
  /** Rebalances chase each other, and a partition is often back before a cached head is too old. */
  'hot-group': {
    ...everything,
    ...{ name: 'hot-group', log: 'kafka', poison: false, lookups: false, settings: false, group: true, chaos: 8 },
  },
  'group-poison': {
    ...everything,
    ...{ name: 'group-poison', log: 'kafka', poison: true, lookups: false, settings: false, group: true, chaos: 2 },
    fetches: true,
  },
  sweeping: { ...everything, name: 'sweeping', log: 'kafka', poison: false, lookups: false, chaos: 3, sweeps: 12 },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof PROFILES;
