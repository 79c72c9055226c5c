// The search box and its results, which follow the index by themselves.
import { call } from './api.js';
import { $, coalesced, el } from './dom.js';
import {
  changesSince,
  diffWords,
  formatAge,
  formatCount,
  formatMs,
  formatTime,
  splitByQuery,
  withoutHeading,
} from './lib.js';

const RESULTS = 8;
/** Text that only just does not fit is shown whole. */
const CLIP_SLACK_PX = 12;

export function createSearch({ onError }) {
  const input = $('query');
  const note = $('search-note');
  const list = $('results');
  const blank = $('search-blank');
  const degraded = $('degraded');
  /** The answer on screen: { query, data }. */
  let shown;
  /** What changed under this query, by result id, until the query changes. */
  let marks = new Map();
  let running;
  let suggestions = [];

  async function run(because) {
    const query = input.value.trim();
    running?.abort();
    if (query === '') {
      shown = undefined;
      marks = new Map();
      showStart();
      return;
    }
    running = new AbortController();
    if (shown?.query !== query) showWaiting();
    const began = performance.now();
    try {
      const answer = await call('POST', '/v1/search', { body: { query, limit: RESULTS }, signal: running.signal });
      show(query, answer, performance.now() - began, because);
    } catch (error) {
      if (error.name === 'AbortError') return;
      onError(error);
      showError(error);
    }
  }

  function show(query, answer, tookMs, because) {
    const sameQuery = shown?.query === query;
    if (!sameQuery) marks = new Map();
    for (const [id, mark] of changesSince(sameQuery ? shown.data : undefined, answer.data)) marks.set(id, mark);
    shown = { query, data: answer.data };
    list.classList.remove('stale');
    degraded.hidden = !answer.degraded;
    degraded.textContent = answer.degraded?.message ?? '';
    const asOf = answer.freshness.asOf ? ` · as of ${formatTime(answer.freshness.asOf)}` : '';
    note.textContent = `${formatCount(answer.data.length, 'result')} in ${formatMs(tookMs)}${asOf}${because ? ` · updated by itself: ${because}` : ''}`;
    list.replaceChildren(...answer.data.map((result) => resultItem(result, query)));
    for (const text of list.querySelectorAll('.text')) clip(text);
    blank.replaceChildren(
      answer.data.length === 0 ? 'Nothing found. Write an article about it, and it will turn up here.' : '',
    );
  }

  function resultItem(result, query) {
    const { title, uri, version, updated_at: updatedAt } = result.attributes;
    const mark = marks.get(result.id);
    const at = Date.parse(updatedAt);
    const headings = result.location.headings.filter((heading) => heading !== title);
    return el(
      mark ? 'li.result.changed' : 'li.result',
      {},
      el(
        'div.result-head',
        {},
        el('strong', { title: uri || '' }, title || result.filename),
        mark ? el('span.badge', {}, mark.before === undefined ? 'new' : 'changed') : null,
        el(
          'span.meta',
          { title: `Version ${version} · score ${result.score.toPrecision(3)} · changed ${updatedAt}` },
          `v${shortVersion(version)} · `,
          el('span', { 'data-at': String(at) }, formatAge(Date.now() - at)),
        ),
      ),
      headings.length > 0 ? el('div.headings', {}, headings.join(' › ')) : null,
      el('p.text', {}, ...textOf(result, mark, query)),
    );
  }

  function textOf(result, mark, query) {
    const above = [result.attributes.title, ...result.location.headings];
    const text = withoutHeading(result.content[0].text, above);
    if (mark?.before === undefined) {
      return splitByQuery(text, query).map((part) => (part.hit ? el('mark', {}, part.text) : part.text));
    }
    const tags = { added: 'ins', removed: 'del' };
    const parts = diffWords(withoutHeading(mark.before, above), text);
    return parts.map((part) => (part.kind === 'same' ? part.text : el(tags[part.kind], {}, part.text)));
  }

  function clip(text) {
    if (text.scrollHeight <= text.clientHeight + CLIP_SLACK_PX) {
      text.style.maxHeight = 'none';
      return;
    }
    text.classList.add('clipped');
    const first = text.querySelector('ins, del');
    if (first && first.offsetTop - text.offsetTop > text.clientHeight / 2) unclip(text);
    else {
      const more = el('button.more', { type: 'button', onclick: () => (unclip(text), more.remove()) }, 'Show all');
      text.after(more);
    }
  }

  function unclip(text) {
    text.classList.remove('clipped');
    text.style.maxHeight = 'none';
  }

  function showWaiting() {
    if (shown) {
      list.classList.add('stale');
      return;
    }
    blank.replaceChildren();
    list.replaceChildren(...Array.from({ length: 6 }, () => el('li.skeleton', { 'aria-hidden': 'true' })));
  }

  function showError(error) {
    list.classList.toggle('stale', shown !== undefined);
    if (!shown) list.replaceChildren();
    const whose =
      shown?.query === input.value.trim() ? 'These results may be old' : 'These are results of the search before';
    note.textContent = shown ? `${error.message} ${whose}.` : '';
    if (!shown) blank.replaceChildren(error.message, retryButton());
  }

  const retryButton = () =>
    el('div.suggestions', {}, el('button', { type: 'button', onclick: () => void run() }, 'Try again'));

  function showStart() {
    list.classList.remove('stale');
    list.replaceChildren();
    note.textContent = '';
    degraded.hidden = true;
    const chips = suggestions.map((text) =>
      el('button', { type: 'button', onclick: () => ((input.value = text), input.focus(), void run()) }, text),
    );
    blank.replaceChildren(
      'Results follow the source: leave a search open, change a row, and watch.',
      ...(chips.length > 0 ? [el('div.suggestions', {}, ...chips)] : []),
    );
  }

  const soon = coalesced(() => run(), 120);
  let because = '';
  const follow = coalesced(() => {
    const reason = because;
    because = '';
    return run(reason);
  }, 20);

  input.addEventListener('input', soon);
  $('search-form').addEventListener('submit', (event) => {
    event.preventDefault();
    void run();
  });
  document.addEventListener('keydown', (event) => {
    if (
      event.key !== '/' ||
      event.ctrlKey ||
      event.metaKey ||
      /^(?:INPUT|TEXTAREA)$/u.test(document.activeElement?.tagName)
    )
      return;
    event.preventDefault();
    input.focus();
    input.select();
  });
  showStart();

  return {
    /** A document changed, or the connection is back: look again. */
    refresh(reason = '') {
      if (input.value.trim() === '') return;
      because = reason;
      follow();
    },
    suggest(texts) {
      suggestions = texts;
      if (!shown && input.value.trim() === '') showStart();
    },
  };
}

/** Versions are log positions: their last digits tell two apart, the whole is in the tooltip. */
function shortVersion(version) {
  const text = String(version);
  return text.length > 6 ? `…${text.slice(-5)}` : text;
}
