import { Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { registerProcessMetrics, registerStateGauges } from '../../src/observability/gauges.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { compose, text } from './compose.ts';

async function metricNames(): Promise<ReadonlySet<string>> {
  const registry = new Registry();
  createMetrics(registry);
  registerStateGauges(registry, () => Promise.reject(new Error('no instance')));
  registerProcessMetrics(registry);
  const metrics = await registry.getMetricsAsJSON();
  return new Set(
    metrics.flatMap(({ name, type }) =>
      // prom-client gives the kind as a word; a histogram comes as three series.
      String(type) === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
}

const used = (expressions: readonly string[]): readonly string[] =>
  expressions.flatMap((expression) => [...expression.matchAll(/\bfreshet_\w+/g)].map(([name]) => name));

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly annotations?: Readonly<Record<string, string>>;
}
const rules = (
  parse(text('docker/prometheus/rules.yml')) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] }
).groups.flatMap(({ rules: each }) => each);

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}
const dashboard = JSON.parse(text('docker/grafana/dashboards/freshet.json')) as { readonly panels: readonly Panel[] };

describe('What watches an instance', () => {
  it('alerts on metrics that there are', async () => {
    const names = await metricNames();
    const wanted = used(rules.map(({ expr }) => expr));
    expect(wanted.length).toBeGreaterThan(5);
    expect(wanted.filter((name) => !names.has(name))).toEqual([]);
  });

  it('says in every alert what it means and what to do', () => {
    for (const { alert, annotations } of rules.filter((rule) => rule.alert !== undefined)) {
      expect(annotations?.summary, alert).toMatch(/\.$/);
      expect(annotations?.description, alert).toMatch(/\.$/);
    }
  });

  it('shows metrics that there are', async () => {
    const names = await metricNames();
    const wanted = used(dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)));
    expect(wanted.length).toBeGreaterThan(20);
    expect(wanted.filter((name) => !names.has(name))).toEqual([]);
  });

  it('asks the data source that is provisioned', () => {
    const { datasources } = parse(text('docker/grafana/provisioning/datasources/prometheus.yaml')) as {
      readonly datasources: readonly { readonly uid: string; readonly url: string }[];
    };
    const [{ uid, url }] = datasources as [(typeof datasources)[number]];
    const asked = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ datasource }) => datasource.uid));
    expect(new Set(asked)).toEqual(new Set([uid]));
    expect(Object.keys(compose.services)).toContain(new URL(url).hostname);
  });

  it('lays panels side by side, none over another', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)}/${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
  });

  it('scrapes services that there are', () => {
    const { scrape_configs: jobs } = parse(text('docker/prometheus/prometheus.yml')) as {
      readonly scrape_configs: readonly {
        readonly static_configs: readonly { readonly targets: readonly string[] }[];
      }[];
    };
    const hosts = jobs
      .flatMap(({ static_configs: parts }) => parts.flatMap(({ targets }) => targets))
      .map((target) => target.split(':')[0]);
    for (const host of hosts) expect(Object.keys(compose.services)).toContain(host);
  });
});
