// The page: three panels and a top bar, kept true by one stream of events.
import { call, follow, rememberKey } from './api.js';
import { $, coalesced, el, keepAges } from './dom.js';
import { createEditor } from './editor.js';
import { createEdits } from './edits.js';
import { formatAge, formatCount, formatMs, lagOf, modelName, stateOf } from './lib.js';
import { createSearch } from './search.js';

const FRESHNESS_EVERY_MS = 2000;

let freshness;
let connected = true;
let asking;

/** Asks for a key once, however many requests were refused meanwhile. The stream comes back with it, and starts the page. */
function askForKey() {
  asking ??= new Promise((resolve) => {
    const dialog = $('key-dialog');
    const onClose = () => {
      const key = $('key').value.trim();
      if (key !== '') rememberKey(key);
      $('key').value = '';
      asking = undefined;
      resolve();
    };
    dialog.addEventListener('close', onClose, { once: true });
    dialog.showModal();
  });
  return asking;
}

const onError = (error) => {
  if (error.status === 401) void askForKey();
};

const search = createSearch({ onError });
const edits = createEdits({ onError });
const editor = createEditor({
  onError,
  onArticles: (articles) => search.suggest(articles.slice(0, 3).map((article) => article.title)),
});

function renderTop() {
  const { state, text, percent } = stateOf(freshness, connected);
  if ($('state-text').textContent !== text) $('state-text').textContent = text;
  $('state').dataset.state = state;
  $('building').hidden = state !== 'building';
  if (typeof percent === 'number') $('building-bar').value = percent;
  else $('building-bar').removeAttribute('value');
  if (!freshness) return;
  const { commitToVisible, index, embedder } = freshness;
  // Silence proves nothing: what was true before the line broke is not shown as if it still were.
  const lag = lagOf(freshness);
  const words =
    lag.text === 'behind' ? [el('b', {}, lag.strong), ' behind'] : [`${lag.text} `, el('b', {}, lag.strong)];
  fact('fact-lag', connected ? words : []);
  fact(
    'fact-speed',
    commitToVisible.count === 0 ? [] : ['commit → visible ', el('b', {}, formatMs(commitToVisible.p50))],
  );
  fact('fact-size', [
    el('b', {}, formatCount(index.documents, 'document')),
    ` · ${formatCount(index.chunks, 'chunk')}`,
  ]);
  // Another name after a switch: what is shown from then on is the other index's.
  $('fact-size').title = index.name ? `Index ${index.name}` : '';
  fact('fact-model', [modelName(embedder)]);
  $('fact-model').title = `Embedding model: ${embedder.fingerprint}`;
}

const fact = (id, children) => $(id).replaceChildren(...children);

async function loadFreshness() {
  try {
    freshness = await call('GET', '/v1/freshness');
  } catch (error) {
    onError(error);
    if (error.code === 'OFFLINE') connected = false;
  }
  renderTop();
}

const freshnessSoon = coalesced(loadFreshness, 300);

/** The editor is there only where there is a demo database. */
async function startEditor() {
  try {
    await editor.start();
    $('editor').hidden = false;
  } catch (error) {
    onError(error);
    $('editor').hidden = error.status === 404 || $('editor').hidden;
  }
  $('main').classList.toggle('no-editor', $('editor').hidden);
}

async function start() {
  await Promise.all([loadFreshness(), edits.load(), startEditor()]);
  search.refresh();
}

function onEvent({ event, data }) {
  editor.changed(data);
  if (event !== 'document.upserted' && event !== 'document.deleted') return;
  edits.add(data);
  search.refresh(
    `${data.title ? `“${data.title}”` : 'a document'} ${event === 'document.deleted' ? 'was deleted' : 'changed'}`,
  );
  freshnessSoon();
}

keepAges(formatAge);
renderTop();
setInterval(() => {
  if (!document.hidden) void loadFreshness();
}, FRESHNESS_EVERY_MS);
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void loadFreshness();
});

void start();
void follow({
  onEvent,
  onState(isConnected) {
    connected = isConnected;
    renderTop();
    if (isConnected) void start();
  },
  onUnauthorized: askForKey,
});
