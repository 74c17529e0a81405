/** What a visitor does on the demo page. */

export async function enterDemo(page, { nick, room = '', secret = '' }) {
  await page.until(() => document.getElementById('status').dataset.state === 'open');
  await page.evaluate(
    ({ nick: name, room: where, secret: password }) => {
      document.getElementById('nick').value = name;
      if (where) document.getElementById('room').value = where;
      document.getElementById('secret').value = password;
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

/** Waits for the row of that name to show a direct connection and a round-trip time. */
export const lists = (page, nick) =>
  page.until(
    (name) =>
      [...document.querySelectorAll('#peers li')].some(
        (row) =>
          row.querySelector('.name').textContent === name &&
          row.querySelector('.path')?.textContent === 'direct' &&
          /^[\d.]+ ms$/.test(row.querySelector('.rtt').textContent),
      ),
    nick,
  );
