/** The picture of the room: people on a circle, relays beside it, and who is linked with whom and how. */
import { count, draw, hueOf } from './ui.js';

const CENTRE = { x: 190, y: 125 };
const RADIUS = { x: 94, y: 92 };
const RELAYS = { x: 34, y: 205, apart: 62 }; // the last one, beside us
const NAMED = 10; // with more people their names would lie over each other
const DRAWN = 60;
const MAX_CHARACTERS = 11;

function short(name) {
  const characters = [...name];
  return characters.length > MAX_CHARACTERS ? `${characters.slice(0, MAX_CHARACTERS - 1).join('')}…` : name;
}

const edge = (from, to, className, title) => {
  const made = draw('path', { d: `M${from.x} ${from.y}L${to.x} ${to.y}`, class: `edge ${className}` });
  if (title) made.append(draw('title', {}, title));
  return made;
};

const KINDS = { direct: 'direct', relay: 'relayed' };

function drawPerson({ id, name, state }, { x, y }, radius, label, isMe = false) {
  const dot = draw('circle', { cx: x, cy: y, r: radius, class: isMe ? 'person me' : 'person' });
  dot.style.setProperty('--hue', hueOf(id));
  const group = draw('g', { class: state && state !== 'open' ? 'unlinked' : '' }, draw('title', {}, name), dot);
  if (radius >= 10) {
    group.append(draw('text', { x, y: y + 4, class: 'initial' }, [...name][0].toUpperCase()));
  }
  if (label) {
    const side = y < CENTRE.y - 1 ? -radius - 6 : radius + 14;
    group.append(draw('text', { x, y: y + side }, short(label)));
  }
  return group;
}

function drawRelay({ address, state, words, time }, { x, y }) {
  const box = draw('g', { class: 'relay', 'data-state': state });
  box.append(
    draw('title', {}, `Relay ${address}: ${words}`),
    draw('rect', { x: x - 14, y: y - 11, width: 28, height: 22, rx: 5 }),
    draw('path', { d: `M${x - 7} ${y - 4}h14M${x - 7} ${y + 4}h14` }),
    draw('text', { x, y: y + 25 }, 'relay'),
    draw('text', { x, y: y + 38, class: 'quiet' }, state === 'open' ? time.replace('nearest ', '') : 'lost'),
  );
  return box;
}

/**
 * @param {SVGElement} svg
 * @param {{self: object, people: object[], links: object[], relays: object[]}} room people: { id, name, state,
 *   path }; links, between them: { a, b, path }; relays: { address, state, words, time }
 */
export function drawGraph(svg, { self, people, links, relays }) {
  const shown = [...people].sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, DRAWN);
  const all = shown.length + 1;
  const radius = all <= NAMED ? 13 : all <= 24 ? 10 : 5;
  const reach = all > 1 ? RADIUS : { x: 0, y: 0 };
  const at = new Map([self, ...shown].map(({ id }, i) => {
    const angle = Math.PI / 2 + (2 * Math.PI * i) / all; // we are at the bottom
    return [id, { x: CENTRE.x + reach.x * Math.cos(angle), y: CENTRE.y + reach.y * Math.sin(angle) }];
  }));
  const own = at.get(self.id);
  const places = relays.map((_, i) => ({ x: RELAYS.x, y: RELAYS.y - (relays.length - 1 - i) * RELAYS.apart }));
  const linked = shown.filter(({ state, path }) => state === 'open' && path);
  svg.replaceChildren(
    ...relays.filter(({ state }) => state === 'open').map((_, i) => edge(places[i], own, 'session')),
    ...links
      .filter(({ a, b }) => at.has(a) && at.has(b))
      .map(({ a, b, path }) => edge(at.get(a), at.get(b), `${KINDS[path]} theirs`)),
    ...linked.map(({ id, name, path }) => (
      edge(own, at.get(id), `${KINDS[path]} ours`, `You and ${name}: ${KINDS[path]}`)
    )),
    ...relays.map((relay, i) => drawRelay(relay, places[i])),
    ...shown.map((person) => drawPerson(person, at.get(person.id), radius, all <= NAMED && person.name)),
    drawPerson(self, own, radius + 2, 'You', true),
  );
  const relayed = linked.filter(({ path }) => path === 'relay').length;
  const left = people.length - shown.length;
  const text = [
    `${count(people.length + 1, 'person', 'people')}`,
    `your links: ${linked.length - relayed} direct, ${relayed} relayed`,
    `${count(links.length, 'link')} between others`,
    ...relays.map(({ address, words }) => `relay ${address} ${words}`),
    ...(left ? [`${left} more are not drawn`] : []),
  ].join('; ');
  svg.setAttribute('aria-label', `The room: ${text}. The lists below tell the same.`);
}
