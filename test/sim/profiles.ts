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
  /** The database goes back in its own log once. */
  readonly restored: boolean;
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
  restored: false,
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
  // Truncates and re-sends from before the restore cannot be told from what came after it: those need the new epoch a source must begin.
  restored: {
    ...everything,
    ...{ name: 'restored', log: 'kafka', poison: false, lookups: false, restored: true },
    ...{ truncates: false, resends: false, sweeps: 3 },
  },
} as const satisfies Record<string, Profile>;

export type ProfileName = keyof typeof PROFILES;
