import { describe, expect, it } from 'vitest';
import { load, problemsOf } from './helpers.ts';

const source = (name: string, host: string, more = ''): string =>
  `  ${name}: { type: postgres, connection: "postgres://u:p@${host}", tables: { t: { text: "{body}" } }${more} }\n`;

describe('the slots and publications of several sources', () => {
  it('must differ: names that differ only by "-" and "_" derive the same ones', () => {
    const [problem, ...rest] = problemsOf(`sources:\n${source('my-app', 'one/a')}${source('my_app', 'two/b')}`);
    expect(rest).toEqual([]);
    expect(problem).toMatchObject({ path: 'sources.my_app.slot' });
    expect(problem?.message).toContain('"freshet_my_app"');
    expect(problem?.message).toContain('"my-app"');
  });

  it('may not be the same on one server, however they came to it', () => {
    const same = `sources:\n${source('app', 'db.example:5432/a')}${source('other', 'db.example/b', ', slot: freshet_app')}`;
    expect(problemsOf(same)).toMatchObject([{ path: 'sources.other.slot' }]);
    const embedded = (name: string): string =>
      `  ${name}: { type: embedded-postgres, slot: shared, tables: { t: { text: "{body}" } } }\n`;
    expect(problemsOf(`sources:\n${embedded('a')}${embedded('b')}`)).toMatchObject([{ path: 'sources.b.slot' }]);
  });

  it('may have the same name on two servers, and a publication the same name in two databases', () => {
    const slots = `sources:\n${source('app', 'one/a')}${source('other', 'two/a', ', slot: freshet_app, publication: freshet_app')}`;
    expect(problemsOf(slots)).toEqual([]);
    const publications = (database: string): string =>
      `sources:\n${source('app', 'one/a')}${source('other', `one/${database}`, ', publication: freshet_app')}`;
    expect(problemsOf(publications('b'))).toEqual([]);
    expect(problemsOf(publications('a'))).toMatchObject([{ path: 'sources.other.publication' }]);
  });
});

it('the setup file of an embedded PostgreSQL is found beside the configuration', () => {
  const yaml = 'sources: { app: { type: embedded-postgres, setup: ./schema.sql, tables: { t: { text: "{body}" } } } }';
  expect(load(yaml).config.sources.app).toMatchObject({ setup: '/project/schema.sql' });
});
