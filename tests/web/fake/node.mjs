// A small node for the page's tests and for work on the page: serves static/ and /ws over a shared fake fleet.
//
// `node fake/node.mjs 8081 8083` serves two nodes of one fleet until it is stopped.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Fleet } from './fleet.mjs';
import { Line } from './websocket.mjs';

const STATIC = fileURLToPath(new URL('../../../static/', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml', '.webmanifest': 'application/manifest+json' };

/** The policy that the real server sends. */
export const policy = (host) => [
  "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:", `connect-src 'self' ws://${host} wss://${host}`,
  "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'", "manifest-src 'self'",
].join('; ');

/** Starts a node of a fleet on a loopback port; 0 takes a free one. */
export async function startNode({ fleet = new Fleet(), port = 0, name = 'node-a' } = {}) {
  const lines = new Set();
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, 'http://node').pathname));
    const file = join(STATIC, path.endsWith('/') ? `${path}index.html` : path);
    const isThere = file.startsWith(STATIC) && await stat(file).then((found) => found.isFile(), () => false);
    if (!isThere) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream',
      'Content-Security-Policy': policy(request.headers.host),
      'X-Content-Type-Options': 'nosniff',
      'Cache-Control': 'no-cache',
    });
    createReadStream(file).pipe(response);
  });
  const node = { name, fleet, isRefusing: false };
  server.on('upgrade', (request, stream) => {
    if (node.isRefusing) {
      stream.end('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n');
      return;
    }
    const line = new Line(request, stream);
    lines.add(line);
    line.on('end', () => lines.delete(line));
    fleet.accept(line, node);
  });
  await new Promise((resolve) => { server.listen(port, '127.0.0.1', resolve); });
  return Object.assign(node, {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Cuts every session of the node without a word. */
    cut: () => lines.forEach((line) => line.cut()),
    /** Tells every session of the node to come back, and closes it. */
    drain(after) {
      for (const line of lines) {
        line.send({ type: 'reconnect', after_ms: after, reason: 'drain' });
        line.close(1012);
      }
    },
    /** Sends a frame to every session of the node. */
    tell: (frame) => lines.forEach((line) => line.send(frame)),
    /** Closes every session of the node with a code. */
    close: (code) => lines.forEach((line) => line.close(code)),
    /** From now on the sessions there are hear nothing and say nothing. */
    mute: () => lines.forEach((line) => { line.isMuted = true; }),
    async stop() {
      lines.forEach((line) => line.cut());
      server.closeAllConnections();
      await new Promise((resolve) => { server.close(resolve); });
    },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const fleet = new Fleet();
  const ports = process.argv.slice(2).map(Number);
  for (const [index, port] of (ports.length ? ports : [8080]).entries()) {
    const node = await startNode({ fleet, port, name: `node-${index + 1}` });
    console.log(`${node.name} serves ${node.url}`);
  }
}
