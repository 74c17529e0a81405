/**
 * Serves the library and an empty page on a loopback address, with the headers that the relay serves its demo
 * page with.
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { isIPv6 } from 'node:net';
import { extname } from 'node:path';

const LIBRARY = new URL('../../../client/lumamesh.js', import.meta.url);
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
};
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "connect-src 'self'",
  "img-src 'self' data:",
].join('; ');

/**
 * @param {object} [files] path → text, served beside the library (/demo/lumamesh.js) and the empty page at /
 * @param {string} [address] on a machine without IPv4 it has to be ::1: Firefox looks for addresses of its own
 *   by the way that the page came
 */
export async function servePages(files = {}, address = '127.0.0.1') {
  const server = createServer(async ({ url }, response) => {
    const path = url.split('?')[0];
    // The icon keeps Chromium from asking for /favicon.ico, which it does or not as it likes.
    let body = { '/': '<!doctype html><link rel="icon" href="data:,"><title>test</title>', ...files }[path];
    const type = extname(path);
    if (body === undefined && path === '/demo/lumamesh.js') body = await readFile(LIBRARY);
    const headers = { 'content-type': TYPES[type] ?? TYPES['.html'], 'content-security-policy': POLICY };
    response.writeHead(body === undefined ? 404 : 200, headers).end(body);
  });
  await new Promise((resolve) => {
    server.listen(0, address, resolve);
  });
  return {
    url: `http://${isIPv6(address) ? `[${address}]` : address}:${server.address().port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(resolve).closeAllConnections();
      }),
  };
}
