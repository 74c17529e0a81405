/** The log of what is said and who comes and goes. Whatever comes from others is put in as text. */
import { $, clock, element } from './ui.js';

const MAX_TEXT = 4000; // characters of one message
const MAX_LOG = 500; // lines that are kept

function addLine(line, jump) {
  const log = $('log');
  // Whoever reads further up is left there.
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.append(line);
  while (log.children.length > MAX_LOG) log.firstChild.remove();
  if (atEnd || jump) log.scrollTop = log.scrollHeight;
}

export const note = (text) => addLine(element('li', 'note', text, ' ', element('time', '', clock())));

/** @param {string} who  @param {number} hue  @param {string} text  @param {boolean} [mine] */
export function addMessage(who, hue, text, mine = false) {
  const name = element('b', '', who);
  const body = element('div', 'body', text.slice(0, MAX_TEXT));
  name.dir = body.dir = 'auto';
  const head = element('div', 'who', name, element('time', '', clock()));
  const line = element('li', mine ? 'message mine' : 'message', head, body);
  line.style.setProperty('--hue', hue);
  addLine(line, mine);
}

export function clearChat() {
  $('log').replaceChildren();
}
