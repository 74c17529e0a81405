/** What a visitor does on the demo page. */

/** A secret that is not given is left as the page has it from its link. */
export async function enterDemo(page, { nick, room, secret }) {
  await page.until(() => document.getElementById('status').dataset.state === 'open');
  await page.evaluate(
    ({ nick: name, room: where, secret: password }) => {
      document.getElementById('nick').value = name;
      if (where !== undefined) document.getElementById('room').value = where;
      if (password !== undefined) document.getElementById('secret').value = password;
      document.getElementById('entry-form').requestSubmit();
    },
    { nick, room, secret },
  );
  await page.until(() => !document.getElementById('room-view').hidden);
}

export async function say(page, text) {
  await page.evaluate((what) => {
    document.getElementById('text').value = what;
    document.getElementById('composer').requestSubmit();
  }, text);
}

export const reads = (page, text) =>
  page.until(
    (what) =>
      [...document.querySelectorAll('.message:not(.mine) .body')].some((body) => body.textContent === what),
    text,
  );

/** Waits for the row of that name to show a direct connection, or that path, and a round-trip time. */
export const lists = (page, nick, path = 'direct') =>
  page.until(
    ({ name, way }) =>
      [...document.querySelectorAll('#peers li')].some(
        (row) =>
          row.querySelector('.name').textContent === name &&
          row.querySelector('.path')?.textContent === way &&
          /^[\d.]+ ms$/.test(row.querySelector('.rtt').textContent),
      ),
    { name: nick, way: path },
  );

/** Drops files on the page: `size` bytes of zero each, or bytes that follow from the seed. */
export const drop = (page, files) =>
  page.evaluate((list) => {
    const transfer = new DataTransfer();
    for (const { name, size, seed } of list) {
      const bytes = new Uint8Array(size);
      if (seed) for (let i = 0; i < size; i += 1) bytes[i] = i * seed + (i >>> 8);
      transfer.items.add(new File([bytes], name, { type: 'text/html' }));
    }
    const event = (type) =>
      new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true });
    const board = document.getElementById('board');
    for (const type of ['dragenter', 'dragover', 'drop']) board.dispatchEvent(event(type));
  }, files);

/** Waits for a file's row (by the name that is shown) to be in that state. */
export const fileIs = (page, name, state) =>
  page.until(
    ({ what, how }) =>
      [...document.querySelectorAll('.file')].some(
        (row) => row.querySelector('.file-name').textContent === what && row.dataset.state === how,
      ),
    { what: name, how: state },
  );

/** Presses one of the buttons in a file's row, as soon as it is there. */
export const press = (page, name, text) =>
  page.until(
    ({ what, label }) => {
      const row = [...document.querySelectorAll('.file')].find(
        (each) => each.querySelector('.file-name').textContent === what,
      );
      const button = [...(row?.querySelectorAll('button') ?? [])].find((each) => each.textContent === label);
      button?.click();
      return Boolean(button);
    },
    { what: name, label: text },
  );

/** A pointer of the given kind that moves over the board, to parts of it from 0 to 1. */
export const point = (page, x, y, pointerType = 'mouse') =>
  page.evaluate(
    ([part, down, kind]) => {
      const board = document.getElementById('board');
      const { left, top, width, height } = board.getBoundingClientRect();
      const at = { clientX: left + width * part, clientY: top + height * down, pointerType: kind, bubbles: true };
      board.dispatchEvent(new PointerEvent('pointermove', at));
    },
    [x, y, pointerType],
  );
