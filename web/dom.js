// The few things the page needs of the DOM. Text always goes in as text: nothing of a document can become markup.

export const $ = (id) => document.getElementById(id);

/** `el('p.note', { title: 'x' }, 'text', child, …)` */
export function el(tag, properties = {}, ...children) {
  const [name, ...classes] = tag.split('.');
  const element = document.createElement(name);
  if (classes.length > 0) element.className = classes.join(' ');
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key.includes('-')) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
  return element;
}

/** Runs `work` soon, once, however often it was asked for; never twice at the same time. */
export function coalesced(work, delayMs) {
  let timer;
  let running = false;
  let again = false;
  const run = async () => {
    timer = undefined;
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await work();
    } finally {
      running = false;
      if (again) {
        again = false;
        timer = setTimeout(run, delayMs);
      }
    }
  };
  return () => {
    timer ??= setTimeout(run, delayMs);
  };
}

/** Keeps "3 s ago" true: every element with `data-at` is rewritten each second. */
export function keepAges(format) {
  const update = () => {
    for (const element of document.querySelectorAll('[data-at]'))
      element.textContent = format(Date.now() - Number(element.dataset.at));
  };
  setInterval(update, 1000);
}
