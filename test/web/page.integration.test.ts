import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_TENANT } from '../../src/domain/ids.ts';
import { World } from './world.ts';

const EXECUTABLES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const WAIT = { timeout: 10_000 };

let browser: Browser;
let world: World;
/** What went wrong in a page, or left this machine; checked after every test. */
let complaints: string[];

beforeAll(async () => {
  const executablePath = EXECUTABLES.find((path) => existsSync(path));
  if (executablePath === undefined)
    throw new Error('Chromium is not installed. On Debian: apt-get install -y chromium');
  browser = await chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
});
afterAll(() => browser?.close());

beforeEach(async () => {
  complaints = [];
  world = await World.open();
});
afterEach(async () => {
  for (const context of browser.contexts()) await context.close();
  await world[Symbol.asyncDispose]();
  expect(complaints).toEqual([]);
});

async function openPage(
  options: BrowserContextOptions & { readonly url?: string; readonly mayFail?: RegExp } = {},
): Promise<Page> {
  const { url = world.url, mayFail, ...context } = options;
  const page = await (await browser.newContext({ viewport: { width: 1360, height: 900 }, ...context })).newPage();
  page.setDefaultTimeout(WAIT.timeout);
  const complain = (text: string): void => {
    if (mayFail?.test(text) !== true) complaints.push(text);
  };
  page.on('pageerror', (error) => complain(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complain(message.text());
  });
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) complain(`left this machine: ${request.url()}`);
  });
  await page.goto(url);
  return page;
}

const text = (page: Page, selector: string): Promise<string> => page.locator(selector).innerText();
const seen = (page: Page, selector: string, expected: string | RegExp) =>
  expect
    .poll(
      () =>
        page
          .locator(selector)
          .allInnerTexts()
          .then((all) => all.join('\n')),
      WAIT,
    )
    .toMatch(expected);

async function search(page: Page, query: string): Promise<void> {
  await page.fill('#query', query);
  await seen(page, '#search-note', /result/u);
}

async function openArticle(page: Page, title: string): Promise<void> {
  await page.click(`#article-list button:text-is("${title}")`);
  await expect.poll(() => page.inputValue('#article-title'), WAIT).toBe(title);
}

describe('an edit on the page', () => {
  it('shows its stages with their times, changes the search result by itself, and is the newest edit', async () => {
    const page = await openPage();
    await search(page, 'return an order');
    await openArticle(page, 'Returns and refunds');
    const body = await page.inputValue('#article-body');
    await page.fill('#article-body', body.replace('30 days', '45 days'));
    await page.click('#article-save');

    await seen(page, '#timeline-title', /“Returns and refunds” was visible \d+ ms after its commit/u);
    const stages = await page.locator('#timeline-stages li').allInnerTexts();
    expect(stages.map((stage) => stage.split('\n')[0])).toEqual([
      'Committed',
      'Received',
      'Redacted',
      'Embedded',
      'Visible',
    ]);
    for (const stage of stages.slice(1)) expect(stage).toMatch(/\+[\d.]+ ms$/u);

    await seen(page, '.result.changed ins', /45/u);
    expect(await text(page, '.result.changed del')).toContain('30');
    expect(await text(page, '.result.changed .meta')).toMatch(/^v\S+ · (?:now|\d s ago)$/u);
    await seen(page, '#search-note', /updated by itself: “Returns and refunds” changed/u);

    await seen(page, '#edits tr:first-child', /Returns and refunds.*1 of 3.*\d+ ms/su);
    await seen(page, '#fact-speed', /commit → visible \d+ ms/u);
    expect(world.article('Returns and refunds').body).toContain('45 days');
    expect(await page.isDisabled('#article-save')).toBe(true);
  });

  it('made elsewhere shows as well, also in the open form', async () => {
    const page = await openPage();
    await search(page, 'warranty years');
    await openArticle(page, 'Warranty');
    await world.edit('Warranty', 'Appliances have a warranty of five years.');
    await seen(page, '.result.changed ins', /five/u);
    await expect.poll(() => page.inputValue('#article-body'), WAIT).toBe('Appliances have a warranty of five years.');
  });

  it('made elsewhere does not overwrite what is being written here', async () => {
    const page = await openPage();
    await openArticle(page, 'Warranty');
    await page.fill('#article-body', 'My own words');
    await world.edit('Warranty', 'Theirs.');
    await seen(page, '#edits', /Warranty/u);
    expect(await page.inputValue('#article-body')).toBe('My own words');
    await openArticle(page, 'Code review');
    await openArticle(page, 'Warranty');
    expect(await page.inputValue('#article-body')).toBe('My own words');
    await page.click('#article-revert');
    await expect.poll(() => page.inputValue('#article-body'), WAIT).toBe('Theirs.');
  });

  it('can be a new article, and a deletion', async () => {
    const page = await openPage();
    await search(page, 'sabbatical');
    await seen(page, '#search-blank', /Nothing found/u);
    await page.click('#article-new');
    await page.fill('#article-title', 'Sabbatical');
    await page.fill('#article-body', 'Three months every seven years.');
    await page.keyboard.press('Control+s');
    await seen(page, '.result', /Sabbatical.*new.*Three months/su);
    await seen(page, '#article-list', /Sabbatical/u);

    await page.click('#article-delete');
    expect(await text(page, '#article-delete')).toBe('Really delete?');
    await page.click('#article-delete');
    await seen(page, '#timeline-title', /“Sabbatical” was gone from the index \d+ ms after its commit/u);
    await seen(page, '#search-blank', /Nothing found/u);
    await seen(page, '#edits tr:first-child', /deleted/u);
  });

  it('that cannot be indexed says so, with stage and code', async () => {
    const page = await openPage();
    await openArticle(page, 'Warranty');
    world.knobs.poison = true;
    await page.fill('#article-body', 'Poison');
    await page.click('#article-save');
    await seen(page, '#timeline-title', /could not be indexed: TEXT_REFUSED in embed/u);
    const states = await page
      .locator('#timeline-stages li')
      .evaluateAll((items) => items.map((item) => item.getAttribute('data-state')));
    expect(states).toEqual(['done', 'done', 'done', 'failed', 'unreached']);
  });

  it('is text and never markup', async () => {
    const page = await openPage();
    await search(page, 'warranty');
    const title = '<img src=x onerror="document.title=1">';
    const written = await world.edit('Warranty', `warranty <script>document.title = 'broken'</script>${title}`);
    expect(written).toBeDefined();
    await seen(page, '.result', /<script>/u);
    expect(await page.locator('main img, main script').count()).toBe(0);
    expect(await page.title()).toBe('Freshet');
  });
});

describe('the state of the instance', () => {
  it('is in the top bar: ready, building, by words only', async () => {
    const page = await openPage();
    await seen(page, '#state', /Ready/u);
    await seen(page, '.facts', /up to date as of \d\d:\d\d:\d\d.*12 documents · 18 chunks.*all-MiniLM-L6-v2/su);
    Object.assign(world.knobs, { ready: false, rowsRead: 6 });
    await seen(page, '#state', /Building the index: 50 %/u);
    expect(await page.isVisible('#building')).toBe(true);
    Object.assign(world.knobs, { ready: true, lexicalOnly: true });
    await seen(page, '#state', /by words only/u);
  });

  it('is told with the results when the model is away', async () => {
    world.knobs.embedderDown = true;
    const page = await openPage();
    await search(page, 'days');
    await seen(page, '#degraded', /found by words only/u);
  });

  it('is a failing search with a way to try again', async () => {
    world.knobs.searchFails = true;
    const page = await openPage({ mayFail: /status of 500/u });
    await page.fill('#query', 'days');
    await seen(page, '#search-blank', /The log of the instance/u);
    await seen(page, '#search-blank button', /Try again/u);
    world.knobs.searchFails = false;
    // A search that runs by itself meanwhile takes the button away, and puts it back if it was sent before the mend: press it when it is there.
    const press = "document.querySelector('#search-blank button')?.click()";
    await expect.poll(() => page.evaluate(press).then(() => text(page, '#results')), WAIT).toMatch(/working days/u);
  });

  it('is "reconnecting" while the server is away, and everything is current after it is back', async () => {
    const page = await openPage({
      mayFail: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/u,
    });
    await search(page, 'warranty');
    const port = Number(new URL(world.url).port);
    await world[Symbol.asyncDispose]();
    await seen(page, '#state', /Reconnecting/u);
    expect(await text(page, '#fact-lag')).toBe('');
    world = await World.open({ port });
    await world.edit('Warranty', 'The warranty lasts a decade.');
    await seen(page, '#state', /Ready/u);
    await seen(page, '#results', /decade/u);
    await seen(page, '#edits', /Warranty/u);
  });
});

describe('the page', () => {
  it('has no editor where there is no demo database', async () => {
    await world[Symbol.asyncDispose]();
    world = await World.open({ demo: false });
    const page = await openPage({ mayFail: /status of 404/u });
    await search(page, 'days');
    expect(await page.isVisible('#editor')).toBe(false);
    await world.edit('Warranty', 'Thirty days.');
    await seen(page, '#edits', /Warranty/u);
  });

  it('asks for a key where one is needed, and keeps it for the tab only', async () => {
    const secret = 'a-key-that-is-long-enough';
    await world[Symbol.asyncDispose]();
    const keys = [{ name: 'page', secret, tenant: DEFAULT_TENANT, scopes: ['read', 'write'] as const }];
    world = await World.open({ server: { auth: { host: '127.0.0.1', keys, defaultTenant: DEFAULT_TENANT } } });
    const page = await openPage({ mayFail: /status of 401/u });
    await page.fill('#key', secret);
    await page.keyboard.press('Enter');
    await seen(page, '#state', /Ready/u);
    await seen(page, '#article-list', /Warranty/u);
    await search(page, 'days');
    expect(await page.evaluate('localStorage.length')).toBe(0);
  });

  it('can be used by keyboard alone', async () => {
    const page = await openPage();
    await seen(page, '#article-list', /Warranty/u);
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement?.textContent')).toBe('Skip to search');
    await page.keyboard.press('/');
    await page.keyboard.type('days');
    await seen(page, '#results', /working days/u);
    await page.locator('#article-filter').focus();
    await page.keyboard.type('warr');
    await expect.poll(() => page.locator('#article-list button').count(), WAIT).toBe(1);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await expect.poll(() => page.inputValue('#article-title'), WAIT).toBe('Warranty');
  });

  it.each([360, 768, 1360])('fits a window %i pixels wide', async (width) => {
    const page = await openPage({ viewport: { width, height: 740 } });
    await search(page, 'days');
    await world.edit('Warranty', `One${'endless'.repeat(40)}word of days.`);
    await seen(page, '#edits', /Warranty/u);
    await seen(page, '#results', /endless/u);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
  });

  it.each(['light', 'dark'] as const)('has enough contrast to read in %s', async (colorScheme) => {
    const page = await openPage({ colorScheme });
    const pairs = [
      ['--ink', '--panel'],
      ['--ink', '--bg'],
      ['--muted', '--panel'],
      ['--muted', '--soft'],
      ['--accent', '--panel'],
      ['--accent', '--accent-soft'],
      ['--accent-ink', '--accent'],
      ['--good', '--good-soft'],
      ['--warn', '--warn-soft'],
      ['--bad', '--bad-soft'],
      ['--ink', '--mark'],
    ] as const;
    const colorOf = async (name: string): Promise<string> =>
      String(await page.evaluate(`getComputedStyle(document.documentElement).getPropertyValue('${name}').trim()`));
    for (const [ink, paper] of pairs) {
      const ratio = contrast(await colorOf(ink), await colorOf(paper));
      expect({ ink, paper, enough: ratio >= 4.5 }).toEqual({ ink, paper, enough: true });
    }
  });
});

/** WCAG 2.2, contrast ratio of two `#rrggbb` colours. */
function contrast(a: string, b: string): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

function luminance(hex: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
