import { describe, expect, it } from 'vitest';
import { indexesView } from '../../src/api/index-views.ts';
import { fakeServices, indexes, run as runIn, temporaryFolder, type FakeServices, type Run } from './fakes.ts';

async function run(argv: readonly string[], more: { readonly services?: FakeServices } = {}): Promise<Run> {
  using folder = temporaryFolder();
  return await runIn(argv, { cwd: folder.path, ...more });
}

describe('freshet index', () => {
  it('status shows roles, progress, the comparison and what a switch would do', async () => {
    const { exitCode, stdout } = await run(['index', 'status']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/v1-8c41aa09 +live +built +61 +1,204 +300 ms +2 +minilm/);
    expect(stdout).toMatch(/v2-8c41be77 +candidate +building 42 %/);
    expect(stdout).toMatch(/v0-old +unused +not fed/);
    expect(stdout).toContain('5 % of the queries');
    expect(stdout).toContain('40 queries (1 failed, 2 left out)');
    expect(stdout).toContain('93.1 % of the best ten by document, 50 % by text');
    expect(stdout).toContain('live p50 12 ms  p95 40 ms   candidate p50 14 ms  p95 –');
    expect(stdout).toContain(
      'freshet index switch would refuse: Index v2-8c41be77 is still being built: 42 % of it is in.',
    );
    expect(stdout).toContain('A note.');
  });

  it('status --json prints what the API answers', async () => {
    const { stdout } = await run(['index', 'status', '--json']);
    expect(JSON.parse(stdout)).toEqual(indexesView(indexes));
  });

  it('canary takes a share in percent, with or without its sign', async () => {
    for (const [given, share] of [
      ['5', 0.05],
      ['12.5%', 0.125],
      ['0', 0],
    ] as const) {
      const services = fakeServices();
      expect((await run(['index', 'canary', given], { services })).exitCode).toBe(0);
      expect(services.calls).toEqual([{ canary: share }]);
    }
    expect((await run(['index', 'canary', '101'])).exitCode).toBe(2);
  });

  it('switch and rollback are refused unless forced by the service, which is told so', async () => {
    const services = fakeServices();
    const { stdout } = await run(['index', 'switch'], { services });
    expect(stdout).toContain('v1-8c41aa09 is the live index now.');
    await run(['index', 'rollback', '--force'], { services });
    expect(services.calls).toEqual([{ switch: { force: false } }, { rollback: { force: true } }]);
  });

  it('drop says what was left behind, and exits 1 then', async () => {
    expect((await run(['index', 'drop', 'v1'])).exitCode).toBe(0);
    const services = fakeServices({ leftBehind: ['Source "app": its slot is in use.'] });
    const { exitCode, stdout } = await run(['index', 'drop', 'v1'], { services });
    expect(exitCode).toBe(1);
    expect(stdout).toContain('Left behind: Source "app": its slot is in use.');
  });
});
