/** Live plots, drawn as SVG: curves over time, and columns over the buckets of a histogram. */
const NAMESPACE = 'http://www.w3.org/2000/svg';
const LEFT = 40; // pixels for the numbers of the upright axis
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;
const SPAN_MIN = 60_000; // milliseconds that a plot shows at least and at most
const SPAN_MAX = 600_000;
const LINES = 3; // of the grid, above the ground

function draw(tag, attributes, ...content) {
  const made = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...content);
  return made;
}

function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

/** The smallest of 1, 2, 5, 10, 20, … whose LINES-fold reaches the value. */
function niceStep(value, least) {
  let step = least;
  for (let i = 0; step * LINES < value; i += 1) step *= i % 3 === 1 ? 2.5 : 2;
  return step;
}

/** What all plots share: the panel with its figures, and a drawing that is made anew at each size. */
class Plot {
  /** @param {string[]} names of the figures, which stand in the series' colours if there are two */
  constructor(id, names) {
    this.title = document.getElementById(`${id}-title`).textContent;
    this.figures = names.map((name) => ({
      value: element('b', '', '–'),
      name: element('span', '', name ?? ''),
    }));
    const colours = names.length > 1 && this.coloured;
    const figures = this.figures.map((figure) =>
      element('div', 'figure', ...(colours ? [element('i')] : []), figure.value, figure.name),
    );
    this.svg = draw('svg', { role: 'img', 'aria-label': `${this.title}: nothing known yet` });
    document.getElementById(id).append(element('div', 'figures', ...figures), this.svg);
    new ResizeObserver(() => this.redraw()).observe(this.svg);
  }

  get coloured() {
    return true;
  }

  /** Shows the figures' texts; a name is kept where none is given. */
  say(...texts) {
    texts.forEach(([value, name], i) => {
      this.figures[i].value.textContent = value;
      if (name !== undefined) this.figures[i].name.textContent = name;
    });
    const said = this.figures.map((figure) => `${figure.value.textContent} ${figure.name.textContent}`);
    this.svg.setAttribute('aria-label', `${this.title}: ${said.join(', ')}`);
  }

  redraw() {
    const { width, height } = this.svg.getBoundingClientRect();
    if (width === 0) return;
    this.width = width - LEFT - RIGHT;
    this.height = height - TOP - BOTTOM;
    this.svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...this.content());
  }

  y(value, top) {
    return TOP + this.height * (1 - value / top);
  }

  grid(step, format) {
    const marks = [];
    for (let i = 0; i <= LINES; i += 1) {
      const y = Math.round(this.y(i, LINES));
      marks.push(
        draw('line', { class: 'grid', x1: LEFT, x2: LEFT + this.width, y1: y, y2: y }),
        draw('text', { x: LEFT - 6, y: y + 4, 'text-anchor': 'end' }, format(i * step)),
      );
    }
    return marks;
  }
}

/** One or two values over time. A reader moves along the curve by pointer or by arrow keys. */
export class Curves extends Plot {
  /** @param {object} options format, axis: value → text; least: step of the grid; one: names of a single */
  constructor(id, names, { format = String, axis = format, least = 1, one = [] } = {}) {
    super(id, names);
    Object.assign(this, { format, axis, least, samples: [], chosen: null });
    this.names = (i, value) => (value === 1 && one[i]) || names[i];
    this.svg.setAttribute('tabindex', '0');
    this.svg.addEventListener('pointermove', (event) => this.choose(this.sampleAt(event)));
    for (const type of ['pointerleave', 'blur']) this.svg.addEventListener(type, () => this.choose(null));
    this.svg.addEventListener('keydown', (event) => this.onKey(event));
  }

  /** A sample of now; its values are numbers, one for each name. */
  add(at, values) {
    this.samples.push({ at, values });
    while (at - this.samples[0].at > SPAN_MAX) this.samples.shift();
    if (this.chosen && this.chosen.at < this.samples[0].at) this.chosen = null;
    this.show();
  }

  clear() {
    this.samples = [];
    this.chosen = null;
    this.redraw();
  }

  show() {
    const sample = this.chosen ?? this.samples.at(-1);
    if (sample) this.say(...sample.values.map((value, i) => [this.format(value), this.names(i, value)]));
    this.redraw();
  }

  choose(sample) {
    if (this.chosen === sample) return;
    this.chosen = sample;
    this.show();
  }

  sampleAt({ clientX }) {
    const x = clientX - this.svg.getBoundingClientRect().left;
    let best = null;
    for (const sample of this.samples)
      if (!best || Math.abs(this.x(sample.at) - x) < Math.abs(this.x(best.at) - x)) best = sample;
    return best;
  }

  onKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === 'Escape') this.choose(null);
    if (!step || this.samples.length === 0) return;
    event.preventDefault();
    const last = this.samples.length - 1;
    const from = this.chosen ? this.samples.indexOf(this.chosen) : last;
    this.choose(this.samples[Math.min(last, Math.max(0, from + step))]);
  }

  x(at) {
    return LEFT + this.width * (1 - (this.samples.at(-1).at - at) / this.span);
  }

  content() {
    const highest = Math.max(0, ...this.samples.flatMap((sample) => sample.values));
    const step = niceStep(highest, this.least);
    const marks = this.grid(step, this.axis);
    if (this.samples.length === 0) return marks;
    const covered = this.samples.at(-1).at - this.samples[0].at;
    this.span = Math.min(SPAN_MAX, Math.max(SPAN_MIN, Math.ceil(covered / SPAN_MIN) * SPAN_MIN));
    marks.push(...this.timeAxis());
    // The second series lies below the first.
    for (let series = this.figures.length - 1; series >= 0; series -= 1)
      marks.push(...this.curve(series, step * LINES));
    return marks;
  }

  timeAxis() {
    const y = TOP + this.height + 15;
    const chosen = this.chosen && (this.samples.at(-1).at - this.chosen.at) / 1000;
    return [
      draw('text', { x: LEFT, y }, `${this.span / 60_000} min ago`),
      draw(
        'text',
        { x: LEFT + this.width, y, 'text-anchor': 'end' },
        chosen ? `${Math.round(chosen)} s ago` : 'now',
      ),
    ];
  }

  curve(series, top) {
    const points = this.samples.map(({ at, values }) => {
      const [x, y] = [this.x(at), this.y(values[series], top)];
      return `${x.toFixed(1)},${y.toFixed(1)}`;
    });
    const ground = TOP + this.height;
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    const marked = this.chosen ?? last;
    const x = this.x(marked.at);
    const area = `M${this.x(first.at)},${ground}L${points.join('L')}L${this.x(last.at)},${ground}Z`;
    const parts = [
      draw('path', { class: 'area', d: area }),
      draw('path', { class: 'curve', d: `M${points.join('L')}` }),
      draw('circle', { class: 'spot', cx: x, cy: this.y(marked.values[series], top), r: 4.5 }),
    ];
    if (this.chosen && series === this.figures.length - 1)
      parts.unshift(draw('line', { class: 'hair', x1: x, x2: x, y1: TOP, y2: ground }));
    return [draw('g', { class: series === 0 ? 'first' : 'second' }, ...parts)];
  }
}

const inTime = (ms) => (ms < 1000 ? `${ms} ms` : `${ms / 1000} s`);

/** How many times there have been in each bucket of a histogram. */
export class Columns extends Plot {
  constructor(id) {
    super(id, ['', '']);
    this.histogram = null;
  }

  get coloured() {
    return false;
  }

  set(histogram) {
    this.histogram = histogram;
    const total = histogram.counts.reduce((sum, count) => sum + count, 0);
    if (total === 0) this.say(['–', 'none yet'], ['', '']);
    else this.say([this.within(total * 0.5), 'for half'], [this.within(total * 0.99), 'for 99 %']);
    this.redraw();
  }

  within(part) {
    const { bounds, counts } = this.histogram;
    let sum = 0;
    for (let i = 0; i < bounds.length; i += 1) {
      sum += counts[i];
      if (sum >= part) return `≤ ${inTime(bounds[i])}`;
    }
    return `> ${inTime(bounds.at(-1))}`;
  }

  content() {
    const { bounds = [], counts = [] } = this.histogram ?? {};
    const step = niceStep(Math.max(0, ...counts), 1);
    const marks = this.grid(step, (value) => shortNumber(value));
    const pitch = this.width / Math.max(1, counts.length);
    counts.forEach((count, i) => {
      const [x, y] = [LEFT + pitch * i, this.y(count, step * LINES)];
      // Something is seen of a single one among thousands, too.
      const height = count > 0 ? Math.max(2, TOP + this.height - y) : 0;
      const name = i < bounds.length ? `up to ${inTime(bounds[i])}` : `over ${inTime(bounds.at(-1))}`;
      const upright = { y: TOP + this.height - height, height };
      const place = { x: x + pitch * 0.12, width: pitch * 0.76, rx: 2, ...upright };
      const title = draw('title', {}, `${name}: ${count}`);
      marks.push(draw('g', { class: 'first' }, draw('rect', { class: 'column', ...place }, title)));
    });
    for (const i of [0, 3, 6, 9, 12])
      if (i < bounds.length)
        marks.push(
          draw(
            'text',
            { x: LEFT + pitch * (i + 0.5), y: TOP + this.height + 15, 'text-anchor': 'middle' },
            inTime(bounds[i]),
          ),
        );
    return marks;
  }
}

/** 999, 1.2k, 35M: at most three digits, and the unit behind the gap. */
export function shortNumber(value, gap = '') {
  const units = ['', 'k', 'M', 'G', 'T'];
  let [scaled, unit] = [value, 0];
  for (; scaled >= 1000 && unit < units.length - 1; unit += 1) scaled /= 1000;
  const digits = scaled < 10 && !Number.isInteger(scaled) ? 1 : 0;
  return scaled.toFixed(digits) + gap + units[unit];
}
