// Real nodes that a test may kill: processes of the built program on the Redis that the test run has started.

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Variables that the test run sets: the program, and the Redis that joins its nodes. */
const { TEST_BINARY, TEST_REDIS } = process.env;

/** False where the page's tests run without the built program. */
export const hasProcesses = Boolean(TEST_BINARY && TEST_REDIS);

/** What a node inherits: none of the settings of others. */
const inherited = Object.fromEntries(Object.entries(process.env).filter(([variable]) => !variable.startsWith('MADANG_')));

/** Starts a node and waits until it serves. */
export async function startProcess(name, variables = {}) {
  const child = spawn(TEST_BINARY, [], {
    env: {
      ...inherited,
      MADANG_SERVER__LISTEN: '127.0.0.1:0',
      MADANG_SERVER__INTERNAL_LISTEN: '127.0.0.1:0',
      MADANG_SERVER__NODE_NAME: name,
      MADANG_REDIS__URL: TEST_REDIS,
      MADANG_LOG__FORMAT: 'json',
      ...variables,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => { child.once('exit', resolve); });
  const url = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the node ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { message, address } = JSON.parse(line);
      if (message === 'madang serves') resolve(`http://${address}`);
    });
  });
  return {
    url,
    /** Ends it without a word to anybody. */
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    /** Asks it to leave, as Kubernetes does. */
    leave() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

/** Makes a key of the HTTP API; returns it with its entry for the file. */
export function makeKey(name, ...more) {
  const { status, stdout, stderr } = spawnSync(TEST_BINARY, ['key', name, ...more], { env: inherited, encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return { key: stderr.trim(), entry: stdout };
}
