// Articles of the real database: choose, edit, save. What happens then in the index is shown by the timeline, from events alone.
import { call } from './api.js';
import { $, coalesced, el } from './dom.js';
import { formatMs, stagesOf } from './lib.js';

const NEW = 'new';
/** Without news for so long after a save, the status is asked for: the stream may have been down. */
const ASK_AFTER_MS = 1500;
const ASK_TIMES_MAX = 40;

const LABELS = {
  committed: 'Committed',
  received: 'Received',
  redacted: 'Redacted',
  embedded: 'Embedded',
  visible: 'Visible',
};

export function createEditor({ onError, onArticles }) {
  const form = { title: $('article-title'), body: $('article-body'), save: $('article-save'), note: $('article-note') };
  let articles = [];
  /** The open article as it is in the database: { id, documentId, title, body }. */
  let open;
  /** Unsaved texts by article id; changing to another article loses nothing. */
  const drafts = new Map();
  /** The newest event per document, for saves whose answer comes after their events. */
  const latest = new Map();
  /** The edit the timeline shows: { documentId, what, done }. */
  let followed;
  let armed = false;

  async function load() {
    articles = (await call('GET', '/demo/articles')).data;
    onArticles(articles);
    renderList();
  }
  const reload = coalesced(() => load().catch(onError), 200);

  async function show(id) {
    disarm();
    note('');
    open =
      id === NEW ? { id: NEW, title: '', body: '' } : await call('GET', `/demo/articles/${encodeURIComponent(id)}`);
    const text = drafts.get(id) ?? open;
    form.title.value = text.title;
    form.body.value = text.body;
    for (const element of [form.title, form.body]) element.disabled = false;
    $('article-delete').hidden = id === NEW;
    renderDirty();
    renderList();
    $('article-list').querySelector('[aria-current="true"]')?.scrollIntoView({ block: 'nearest' });
    if (id === NEW) form.title.focus();
  }

  const choose = (id) => show(id).catch((error) => (note(error.message, true), onError(error)));

  /** The row may have changed under an open form: shows what it is now, unless that would lose what is being written. */
  async function refreshOpen() {
    const { id } = open;
    const row = await call('GET', `/demo/articles/${encodeURIComponent(id)}`);
    if (open?.id !== id || dirty()) return;
    open = row;
    if (form.title.value !== row.title) form.title.value = row.title;
    if (form.body.value !== row.body) form.body.value = row.body;
  }

  function renderList() {
    const filter = $('article-filter').value.trim().toLowerCase();
    const shown = articles.filter((article) => article.title.toLowerCase().includes(filter));
    const focused = document.activeElement?.closest?.('#article-list li')?.dataset.id;
    $('article-list').replaceChildren(
      ...shown.map((article) =>
        el(
          'li',
          {},
          el(
            drafts.has(article.id) ? 'button.draft' : 'button',
            {
              type: 'button',
              title: article.title,
              'aria-current': String(article.id === open?.id),
              onclick: () => choose(article.id),
            },
            article.title || 'Untitled',
          ),
        ),
      ),
      ...(shown.length === 0 ? [el('li.note', {}, filter ? 'No title matches.' : 'The table is empty.')] : []),
    );
    [...$('article-list').children].forEach((item, i) => (item.dataset.id = shown[i]?.id ?? ''));
    if (focused)
      $('article-list')
        .querySelector(`li[data-id="${CSS.escape(focused)}"] button`)
        ?.focus();
  }

  const dirty = () => open !== undefined && (form.title.value !== open.title || form.body.value !== open.body);

  function renderDirty() {
    if (!open) return;
    const isDirty = dirty();
    const had = drafts.has(open.id);
    if (isDirty) drafts.set(open.id, { title: form.title.value, body: form.body.value });
    else drafts.delete(open.id);
    form.save.disabled = !isDirty || form.title.value.trim() === '';
    $('article-revert').hidden = !isDirty || open.id === NEW;
    if (had !== isDirty) renderList();
  }

  async function save() {
    if (form.save.disabled) return;
    const text = { title: form.title.value, body: form.body.value };
    const { id } = open;
    form.save.disabled = true;
    note('Saving…');
    if (open.documentId) latest.delete(open.documentId);
    try {
      const written =
        id === NEW
          ? await call('POST', '/demo/articles', { body: text })
          : await call('PUT', `/demo/articles/${encodeURIComponent(id)}`, { body: text });
      drafts.delete(id);
      if (open.id === id) {
        open = { ...open, ...text, id: written.id, documentId: written.documentId };
        $('article-delete').hidden = false;
        note('Saved in PostgreSQL.');
      }
      startFollowing(written.documentId, text.title);
      renderDirty();
      reload();
    } catch (error) {
      note(error.message, true);
      onError(error);
      form.save.disabled = false;
    }
  }

  async function remove() {
    if (!armed) {
      armed = true;
      $('article-delete').classList.add('armed');
      $('article-delete').textContent = 'Really delete?';
      return;
    }
    disarm();
    const { id, title, documentId } = open;
    latest.delete(documentId);
    try {
      await call('DELETE', `/demo/articles/${encodeURIComponent(id)}`);
      drafts.delete(id);
      startFollowing(documentId, title, true);
      close();
      note('Deleted from PostgreSQL.');
      reload();
    } catch (error) {
      note(error.message, true);
      onError(error);
    }
  }

  function close() {
    open = undefined;
    for (const element of [form.title, form.body]) {
      element.value = '';
      element.disabled = true;
    }
    form.save.disabled = true;
    $('article-revert').hidden = true;
    $('article-delete').hidden = true;
  }

  function disarm() {
    armed = false;
    $('article-delete').classList.remove('armed');
    $('article-delete').textContent = 'Delete';
  }

  function note(text, isError = false) {
    form.note.textContent = text;
    form.note.classList.toggle('error', isError);
  }

  function startFollowing(documentId, title, deleted = false) {
    followed = { documentId, title, deleted, done: false };
    renderTimeline(latest.get(documentId));
    if (!followed.done) void askFor(followed, 0);
  }

  /** The stream is faster; this is for when it is down. */
  async function askFor(edit, times) {
    await new Promise((resolve) => setTimeout(resolve, ASK_AFTER_MS));
    if (followed !== edit || edit.done || times >= ASK_TIMES_MAX) return;
    try {
      const status = await call('GET', `/v1/documents/${encodeURIComponent(edit.documentId)}/status`);
      const over = { visible: 'document.upserted', deleted: 'document.deleted', failed: 'document.failed' }[
        status.state
      ];
      if (followed === edit && !edit.done && over) {
        const failure = status.failure ?? {};
        renderTimeline({ type: over, times: status.times, stage: failure.stage, code: failure.code });
      }
    } catch (error) {
      onError(error);
    }
    void askFor(edit, times + 1);
  }

  function renderTimeline(event) {
    const finished = event?.type === 'document.upserted' || event?.type === 'document.deleted';
    const failed = event?.type === 'document.failed';
    followed.done = finished || failed;
    if (event?.times) followed.times = event.times;
    const stages = stagesOf(followed.times);
    const total = stages.at(-1).sinceCommitMs;
    const subject = followed.title ? `“${followed.title}”` : 'The article';
    const verb = followed.deleted ? 'gone from the index' : 'visible';
    $('timeline').hidden = false;
    $('timeline-title').textContent = failed
      ? `${subject} could not be indexed: ${event.code ?? 'unknown'} in ${event.stage ?? 'the pipeline'}. It waits in the dead letters.`
      : finished
        ? `${subject} was ${verb} ${formatMs(total)} after its commit`
        : `${subject} is on its way…`;
    $('timeline-stages').replaceChildren(...atTheEnd(stages, finished, failed).map(stageItem));
  }

  const stageItem = ({ name, state, tookMs }) =>
    el(
      'li.stage',
      { 'data-state': state },
      el('b', {}, name === 'visible' && followed.deleted ? 'Deleted' : LABELS[name]),
      el('span', {}, stageText(state, tookMs)),
    );

  for (const element of [form.title, form.body]) element.addEventListener('input', renderDirty);
  $('article-filter').addEventListener('input', renderList);
  $('article-new').addEventListener('click', () => choose(NEW));
  $('article-revert').addEventListener('click', () => {
    drafts.delete(open.id);
    form.title.value = open.title;
    form.body.value = open.body;
    renderDirty();
  });
  $('article-delete').addEventListener('click', () => void remove());
  $('article-delete').addEventListener('blur', disarm);
  $('article-form').addEventListener('submit', (event) => {
    event.preventDefault();
    void save();
  });
  document.addEventListener('keydown', (event) => {
    if (event.key.toLowerCase() !== 's' || !(event.ctrlKey || event.metaKey) || !open) return;
    event.preventDefault();
    void save();
  });
  window.addEventListener('beforeunload', (event) => {
    if (drafts.size > 0) event.preventDefault();
  });

  return {
    async start() {
      await load();
      if (!open && articles[0]) await choose(articles[0].id);
    },
    /** An event of the change stream. */
    changed(event) {
      latest.set(
        event.document,
        event.type === 'document.failed' ? { ...latest.get(event.document), ...event } : event,
      );
      if (latest.size > 200) latest.delete(latest.keys().next().value);
      if (followed?.documentId === event.document && !followed.done) renderTimeline(event);
      if (event.type !== 'document.upserted' && event.type !== 'document.deleted') return;
      reload();
      if (open?.documentId === event.document && event.type === 'document.upserted' && !dirty())
        refreshOpen().catch(onError);
    },
  };
}

/** Once a change is over nothing waits any more: its first open stage is where it failed, the others were not reached or not needed. */
function atTheEnd(stages, finished, failed) {
  if (!finished && !failed) return stages;
  const open = stages.findIndex((stage) => stage.state === 'waiting');
  const ended = (i) => (failed ? (i === open ? 'failed' : 'unreached') : 'skipped');
  return stages.map((stage, i) => (stage.state === 'waiting' ? { ...stage, state: ended(i) } : stage));
}

const STAGE_TEXTS = { skipped: 'not needed', unreached: 'not reached', failed: 'failed', waiting: '…' };

function stageText(state, tookMs) {
  return STAGE_TEXTS[state] ?? (tookMs === null ? 'in PostgreSQL' : `+${formatMs(tookMs)}`);
}
