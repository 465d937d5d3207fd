// A TCP proxy in front of a node that a test can cut, close and hold.

import { connect, createServer } from 'node:net';

/** Starts a proxy to the node at `target`, a URL that may be changed: what comes later goes there. */
export async function startProxy(target) {
  const pairs = new Set();
  const proxy = { target, isClosed: false, isHeld: false };
  const server = createServer((near) => {
    if (proxy.isClosed) {
      near.destroy();
      return;
    }
    const { hostname, port } = new URL(proxy.target);
    const far = connect(Number(port), hostname);
    const pair = { near, far };
    pairs.add(pair);
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on('data', (bytes) => proxy.isHeld || to.write(bytes));
      from.on('error', () => {});
      from.on('close', () => {
        pairs.delete(pair);
        to.destroy();
      });
    }
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  return Object.assign(proxy, {
    url: `http://127.0.0.1:${server.address().port}`,
    /** Cuts everything that is open. */
    cut: () => pairs.forEach(({ near, far }) => {
      near.destroy();
      far.destroy();
    }),
    async stop() {
      proxy.cut();
      await new Promise((resolve) => { server.close(resolve); });
    },
  });
}
