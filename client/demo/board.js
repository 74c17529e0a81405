/**
 * The board on which everybody's pointer is seen. What is sent is [number, x, y], x and y as parts of the board
 * from 0 to 1, up to 60 times a second and only while the pointer moves, over the unreliable channel: what is
 * lost is overtaken by the next one. [number] alone: the pointer has left. [number, x, y, 1] is a click, which
 * is sent reliably.
 */
import { $, draw, element, hueOf } from './ui.js';

const SEND_EVERY = 1000 / 60; // milliseconds
const SMOOTH = 30; // milliseconds in which a pointer goes most of the way to where it was last heard of
const NEAR = 0.0004; // of the board: as good as there
const STALE = 3000; // milliseconds without news until a pointer fades
const KEY_STEP = 0.02;
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const calm = matchMedia('(prefers-reduced-motion: reduce)');
const within = (part) => Math.min(1, Math.max(0, part));
const rounded = (part) => Math.round(part * 10_000) / 10_000;

export class Board {
  #send;
  #node = $('board');
  #size = { width: 0, height: 0 };
  #cursors = new Map(); // id → { node, x, y, toX, toY, number, heard }
  #number = 0;
  #at = null; // our pointer
  #due = false; // it has moved since it was sent
  #next = 0; // when it may be sent again
  #own = null; // our cursor, drawn where the system draws none
  /** Our own colour. */
  hue = 245;
  #frame = 0;
  #then = 0;
  #timer = 0;

  /** @param {function(Array, object): void} send to everybody */
  constructor(send) {
    this.#send = send;
    new ResizeObserver(([{ contentRect }]) => {
      this.#size = { width: contentRect.width, height: contentRect.height };
      for (const cursor of this.#cursors.values()) this.#place(cursor);
    }).observe(this.#node);
    const node = this.#node;
    node.addEventListener('pointermove', (event) => this.#moved(event));
    node.addEventListener('pointerdown', (event) => {
      this.#moved(event);
      this.#click();
    });
    node.addEventListener('pointerleave', () => this.#left());
    node.addEventListener('pointercancel', () => this.#left());
    node.addEventListener('keydown', (event) => this.#key(event));
    node.addEventListener('blur', () => this.#own && this.#left());
  }

  // -- Ours --

  #moved({ clientX, clientY, pointerType }) {
    const { left, top } = this.#node.getBoundingClientRect();
    const { width, height } = this.#size;
    if (!width || !height) return;
    const { clientLeft, clientTop } = this.#node;
    this.#at = [within((clientX - left - clientLeft) / width), within((clientY - top - clientTop) / height)];
    this.#moveOwn(pointerType !== 'mouse');
  }

  #key(event) {
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.#at ??= [0.5, 0.5];
      this.#moveOwn(true);
      this.#click();
    }
    const step = KEYS[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const [x, y] = this.#at ?? [0.5, 0.5];
    const far = event.shiftKey ? 4 : 1;
    this.#at = [within(x + step[0] * KEY_STEP * far), within(y + step[1] * KEY_STEP * far)];
    this.#moveOwn(true);
  }

  /** Mouse pointers are drawn by the system; fingers and keys have none. */
  #moveOwn(drawn) {
    this.#due = true;
    this.#node.classList.add('used');
    if (drawn && !this.#own) {
      this.#own = this.#make('you', this.hue, 'cursor own');
    } else if (!drawn && this.#own) {
      this.#own.node.remove();
      this.#own = null;
    }
    if (this.#own) {
      [this.#own.x, this.#own.y] = this.#at;
      this.#place(this.#own);
    }
    this.#run();
  }

  #click() {
    if (!this.#at) return;
    this.#ring(...this.#at, this.hue);
    this.#number += 1;
    this.#send([this.#number, ...this.#at.map(rounded), 1], { reliable: true });
  }

  #left() {
    if (!this.#at) return;
    this.#at = null;
    this.#due = false;
    this.#own?.node.remove();
    this.#own = null;
    this.#number += 1;
    this.#send([this.#number], { reliable: false });
  }

  // -- Theirs --

  /** What a member sent; anything at all. */
  receive(id, name, [number, x, y, click]) {
    if (!Number.isSafeInteger(number)) return;
    let cursor = this.#cursors.get(id);
    if (cursor && number <= cursor.number) return; // overtaken
    if (x === undefined) {
      if (cursor) {
        cursor.number = number;
        cursor.node.classList.add('away');
      }
      return;
    }
    if (!Number.isFinite(x) || !Number.isFinite(y)) return;
    if (!cursor) {
      cursor = this.#make(name, hueOf(id), 'cursor away');
      this.#cursors.set(id, cursor);
      this.#node.classList.add('used');
      this.#timer ||= setInterval(() => this.#fade(), STALE / 6);
    }
    cursor.number = number;
    cursor.toX = within(x);
    cursor.toY = within(y);
    cursor.heard = performance.now();
    if (cursor.node.classList.contains('away')) {
      cursor.node.classList.remove('away');
      cursor.x = cursor.toX;
      cursor.y = cursor.toY;
      this.#place(cursor);
    }
    if (click === 1) this.#ring(cursor.toX, cursor.toY, hueOf(id));
    this.#run();
  }

  forget(id) {
    this.#cursors.get(id)?.node.remove();
    this.#cursors.delete(id);
  }

  clear() {
    for (const id of [...this.#cursors.keys()]) this.forget(id);
    this.#left();
    clearInterval(this.#timer);
    this.#timer = 0;
    this.#node.classList.remove('used');
  }

  #fade() {
    const now = performance.now();
    for (const { node, heard } of this.#cursors.values()) {
      if (now - heard > STALE) node.classList.add('away');
    }
  }

  // -- Drawing --

  #make(name, hue, className) {
    const arrow = draw('svg', { viewBox: '0 0 20 24', 'aria-hidden': 'true' });
    arrow.append(draw('path', { d: 'M2 1v18l5-4.5 3.2 7.3 3.4-1.5-3.2-7.2H17z' }));
    const node = element('div', className, arrow, element('span', '', name));
    node.style.setProperty('--hue', hue);
    this.#node.append(node);
    return { node, x: 0, y: 0, toX: 0, toY: 0, number: -1, heard: 0 };
  }

  #place({ node, x, y }) {
    const { width, height } = this.#size;
    node.style.transform = `translate(${(x * width).toFixed(1)}px, ${(y * height).toFixed(1)}px)`;
    const turned = x > 0.75; // The name goes to the side where there is room.
    if (node.classList.contains('turned') !== turned) node.classList.toggle('turned', turned);
  }

  #ring(x, y, hue) {
    const node = element('div', 'ring');
    node.style.setProperty('--hue', hue);
    node.style.left = `${x * 100}%`;
    node.style.top = `${y * 100}%`;
    this.#node.append(node);
    setTimeout(() => node.remove(), 700);
  }

  #run() {
    if (!this.#frame) {
      this.#then = performance.now();
      this.#frame = requestAnimationFrame((now) => this.#step(now));
    }
  }

  /** One frame for everything: it sends where we are and moves all the others. */
  #step(now) {
    const pull = calm.matches ? 1 : 1 - Math.exp(-Math.max(now - this.#then, 1) / SMOOTH);
    let moving = this.#due;
    this.#then = now;
    this.#frame = 0;
    // Frames come a little early or late, and on some screens more often: on the average it is the rate.
    if (this.#due && now >= this.#next - 1) {
      this.#next = Math.max(this.#next, now - SEND_EVERY) + SEND_EVERY;
      this.#due = false;
      this.#number += 1;
      this.#send([this.#number, ...this.#at.map(rounded)], { reliable: false });
    }
    for (const cursor of this.#cursors.values()) {
      const dx = cursor.toX - cursor.x;
      const dy = cursor.toY - cursor.y;
      if (dx === 0 && dy === 0) continue;
      const there = Math.abs(dx) < NEAR && Math.abs(dy) < NEAR;
      cursor.x = there ? cursor.toX : cursor.x + dx * pull;
      cursor.y = there ? cursor.toY : cursor.y + dy * pull;
      this.#place(cursor);
      moving = true;
    }
    if (moving && !this.#frame) this.#frame = requestAnimationFrame((next) => this.#step(next));
  }
}
