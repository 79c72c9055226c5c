import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openQdrantCatalogue } from '../../../connectors/qdrant/catalogue.ts';
import type { IndexCatalogue } from '../../../src/ports/index-catalogue.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { describeIndexCatalogue, SPEC } from '../../contracts/index-catalogue.contract.ts';
import { never } from '../../contracts/index-fixtures.ts';
import { startQdrant, type QdrantServer } from '../../support/qdrant/double.ts';
import { freshName, removeCollection } from './support.ts';

let server: QdrantServer;
beforeAll(async () => {
  server = await startQdrant();
});
afterAll(() => server[Symbol.asyncDispose]());

const openAt = (prefix: string): Promise<IndexCatalogue> =>
  openQdrantCatalogue({ url: server.url, prefix, clock: systemClock });

async function openFresh(): Promise<{ catalogue: IndexCatalogue; prefix: string } & AsyncDisposable> {
  const prefix = freshName();
  const catalogue = await openAt(prefix);
  return {
    catalogue,
    prefix,
    async [Symbol.asyncDispose]() {
      for (const name of await catalogue.list(never)) await removeCollection(server.url, `${prefix}-${name}`);
      await catalogue[Symbol.asyncDispose]();
      await removeCollection(server.url, `${prefix}-catalogue`);
    },
  };
}

describeIndexCatalogue('qdrant', openFresh);

describe('The Qdrant catalogue', () => {
  const aliases = async (prefix: string): Promise<Record<string, string>> => {
    const answer = (await (await fetch(`${server.url}/aliases`)).json()) as {
      result: { aliases: { alias_name: string; collection_name: string }[] };
    };
    const own = answer.result.aliases.filter(({ alias_name }) => alias_name.startsWith(prefix));
    return Object.fromEntries(own.map(({ alias_name, collection_name }) => [alias_name, collection_name]));
  };

  it('has its aliases follow the state, for other readers', async () => {
    await using fresh = await openFresh();
    const { catalogue, prefix } = fresh;
    await catalogue.open('blue', SPEC, never);
    await catalogue.open('green', SPEC, never);
    const none = { live: undefined, candidate: undefined, previous: undefined, canaryShare: 0 };
    await catalogue.update(0, { ...none, live: 'blue', candidate: 'green' }, never);
    expect(await aliases(prefix)).toEqual({ [prefix]: `${prefix}-blue`, [`${prefix}-candidate`]: `${prefix}-green` });
    await catalogue.update(1, { ...none, live: 'green', previous: 'blue' }, never);
    expect(await aliases(prefix)).toEqual({ [prefix]: `${prefix}-green`, [`${prefix}-previous`]: `${prefix}-blue` });
  });

  it('does not list the indexes of a catalogue whose prefix begins with its own', async () => {
    await using fresh = await openFresh();
    const other = await openAt(`${fresh.prefix}-eu`);
    await other.open('blue', SPEC, never);
    expect(await fresh.catalogue.list(never)).toEqual([]);
    expect(await other.list(never)).toEqual(['blue']);
    await other[Symbol.asyncDispose]();
    for (const name of ['blue', 'catalogue']) await removeCollection(server.url, `${fresh.prefix}-eu-${name}`);
  });

  it('is opened by two instances at once', async () => {
    const prefix = freshName();
    const both = await Promise.all([openAt(prefix), openAt(prefix)]);
    const opened = await Promise.all(both.map((one) => one.open('blue', SPEC, never)));
    expect(opened).toHaveLength(2);
    for (const one of both) await one[Symbol.asyncDispose]();
    for (const name of ['blue', 'catalogue']) await removeCollection(server.url, `${prefix}-${name}`);
  });

  it.each(['catalogue', 'live', 'candidate', 'Upper', 'a/b', ''])('refuses "%s" as a name', async (name) => {
    await using fresh = await openFresh();
    await expect(fresh.catalogue.open(name, SPEC, never)).rejects.toMatchObject({ code: 'INDEX_NAME' });
  });
});
