// The table of the newest edits, with how long each took from its commit to being found.
import { call } from './api.js';
import { $, el } from './dom.js';
import { formatAge, formatMs, stagesOf } from './lib.js';

const ROWS = 30;

export function createEdits({ onError }) {
  let changes = [];

  const row = (change, isFresh) => {
    const at = Date.parse(change.times.visible ?? change.times.received);
    const embedded = change.kind === 'deleted' ? '–' : `${change.chunksEmbedded} of ${change.chunksTotal}`;
    return el(
      isFresh ? 'tr.fresh' : 'tr',
      {},
      el('td', {}, el('span', { 'data-at': String(at) }, formatAge(Date.now() - at))),
      el(
        'td.document',
        { title: `${change.title || change.uri || change.document} (${change.table})` },
        el(
          'div.named',
          {},
          el('span', {}, change.title || change.uri || change.document),
          change.kind === 'deleted' ? el('span.badge.gone', {}, 'deleted') : null,
        ),
      ),
      el('td.number', { title: 'Chunks embedded of all chunks of the document' }, embedded),
      el('td', {}, el('div.speed', {}, el('b', {}, formatMs(change.freshnessMs)), bar(change))),
    );
  };

  /** How the time was spent; the tooltip says it in words. */
  function bar(change) {
    const stages = stagesOf(change.times).filter((stage) => stage.tookMs !== null);
    const words = stages.map((stage) => `${stage.name} +${formatMs(stage.tookMs)}`).join(', ');
    const total = Math.max(change.freshnessMs ?? 0, 0.001);
    return el(
      'div.bar',
      { title: words, role: 'img', 'aria-label': words },
      ...stages.map((stage) => {
        const part = el(`i.${stage.name}`);
        part.style.setProperty('--share', String((100 * stage.tookMs) / total));
        return part;
      }),
    );
  }

  function render(fresh) {
    $('edits').replaceChildren(...changes.map((change) => row(change, change === fresh)));
    $('edits-blank').hidden = changes.length > 0;
    $('edits').closest('.scroll').hidden = changes.length === 0;
  }
  render();

  return {
    async load() {
      try {
        changes = (await call('GET', `/v1/changes?limit=${ROWS}`)).data;
        render();
      } catch (error) {
        onError(error);
      }
    },
    add(change) {
      changes = [change, ...changes].slice(0, ROWS);
      render(change);
    },
  };
}
