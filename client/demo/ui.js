/** Small things that every part of the page uses. */
const NAMESPACE = 'http://www.w3.org/2000/svg';

export const MAX_NAME = 40; // characters of a person's name

export const $ = (id) => document.getElementById(id);

/** Texts in `content` become text, never markup. */
export function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

/** The same for SVG. */
export function draw(tag, attributes, ...content) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}

export function button(text, className, onClick) {
  const made = element('button', className, text);
  made.type = 'button';
  made.addEventListener('click', onClick);
  return made;
}

/**
 * Takes a form's submission. In a sandboxed frame browsers withhold the event without a word; there a click on
 * the form's button, which is what the Enter key makes, too, has to do.
 */
export function onSubmit(form, handler) {
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    handler();
  });
  form.querySelector('button:not([type])').addEventListener('click', (event) => {
    event.preventDefault();
    if (form.reportValidity()) handler();
  });
}

/** Storage may be forbidden (a sandboxed frame, a strict browser); the page works without. */
export const storage = {
  get(name) {
    try {
      return localStorage.getItem(name) ?? '';
    } catch {
      return '';
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(name, value);
    } catch {
      /* Then it is asked for again next time. */
    }
  },
};

/**
 * A stranger's text for one line: no control characters, none that turn the direction of what follows. (Those
 * that join others stay: Persian and some emoji are written with them.)
 */
export const clean = (text, most) =>
  [...String(text).replace(/[\p{Cc}\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/gu, ' ')]
    .slice(0, most)
    .join('')
    .replace(/\s+/g, ' ')
    .trim();

export const nameOf = ({ nick }) => clean(nick, MAX_NAME) || 'Somebody';

/** A colour for each person, the same on every page (FNV-1a). */
export function hueOf(id) {
  let hash = 2166136261;
  for (const char of id) hash = Math.imul(hash ^ char.charCodeAt(0), 16777619);
  return (hash >>> 8) % 360;
}

export const count = (n, one, many = `${one}s`) => `${n} ${n === 1 ? one : many}`;
export const inMs = (ms) => `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
export const clock = () => new Date().toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

export function inBytes(n) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let i = 0;
  for (; n >= 999.5 && i < units.length - 1; i += 1) n /= 1000;
  return `${i && n < 99.95 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

/**
 * A function that runs `work` once before the next frame, however often it is called until then; a page in the
 * background has no frames, there it is a little later.
 */
export function onceAFrame(work) {
  let frame = 0;
  let timer = 0;
  const run = () => {
    cancelAnimationFrame(frame);
    clearTimeout(timer);
    frame = timer = 0;
    work();
  };
  return () => {
    if (frame) return;
    frame = requestAnimationFrame(run);
    timer = setTimeout(run, 250);
  };
}

/** A function that runs `work` once some time later, however often it is called until then. */
export function gathered(work, ms) {
  let timer = 0;
  return () => {
    timer ||= setTimeout(() => {
      timer = 0;
      work();
    }, ms);
  };
}

/** Writes only what changed: live regions announce every writing. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function avatar(id, name) {
  const made = element('span', 'avatar', [...name][0].toUpperCase());
  made.setAttribute('aria-hidden', 'true');
  made.style.setProperty('--hue', hueOf(id));
  return made;
}
