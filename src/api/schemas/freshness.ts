import { z } from 'zod';
import { instantOut, stageTimesOut } from './common.ts';

const partitionOut = z.object({
  partition: z.string(),
  asOf: instantOut.nullable(),
  lagEvents: z.number().nullable(),
  lagMs: z.number().nullable(),
});

export const freshnessOut = z
  .object({
    now: instantOut,
    ready: z.boolean(),
    asOf: instantOut
      .nullable()
      .describe('Everything committed up to here is searchable. Null while any source does not know.'),
    lagMs: z.number().nullable().describe('now − asOf.'),
    token: z.string(),
    sources: z.array(
      z.object({
        source: z.string(),
        connected: z.boolean(),
        snapshotFinished: z.boolean(),
        snapshots: z.array(
          z.object({
            table: z.string(),
            rowsRead: z.number(),
            rowsTotal: z.number().nullable(),
            finished: z.boolean(),
          }),
        ),
        partitions: z.array(partitionOut),
        gauges: z.record(z.string(), z.number()),
      }),
    ),
    commitToVisible: z
      .object({
        count: z.int(),
        p50: z.number().nullable(),
        p95: z.number().nullable(),
        p99: z.number().nullable(),
      })
      .describe('Milliseconds, over the recent streamed changes.'),
    deadLetters: z.int(),
    embedder: z.object({
      fingerprint: z.string(),
      name: z.string().nullable(),
      lexicalOnly: z.boolean(),
      down: z.boolean(),
    }),
    index: z.object({
      name: z.string().nullable(),
      documents: z.int(),
      chunks: z.int(),
      bytesOnDisk: z.number().nullable(),
    }),
  })
  .meta({ id: 'Freshness' });

export const readyOut = z.object({ ready: z.boolean(), reasons: z.array(z.string()) });

export const recentChangeOut = z
  .object({
    document: z.string(),
    table: z.string(),
    title: z.string(),
    uri: z.string(),
    kind: z.enum(['upserted', 'deleted']),
    times: stageTimesOut,
    freshnessMs: z.number().nullable().describe('Commit → visible.'),
    chunksTotal: z.int(),
    chunksEmbedded: z.int(),
  })
  .meta({ id: 'RecentChange' });

export const recentChangesOut = z.object({ data: z.array(recentChangeOut) });
