// People with browsers, for scenarios that read as sentences.

import assert from 'node:assert/strict';

import { chromium } from 'playwright-core';

import { Fleet } from '../fake/fleet.mjs';
import { startNode } from '../fake/node.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
/** What a browser says about a line that a test cut; nothing else may be said. */
const CUT = /WebSocket connection to '[^']*' failed|WebSocket is closed before|ERR_(?:CONNECTION|SOCKET|EMPTY)/u;

/** Starts the browser. */
export const startBrowser = () => chromium.launch({ executablePath: CHROMIUM, args: FLAGS, headless: true });

/** Returns the nodes named by MADANG_URLS, or two fake ones of one fleet. */
export async function startNodes() {
  const urls = process.env.MADANG_URLS?.split(',').filter(Boolean);
  if (urls?.length) return { urls: [urls[0], urls.at(-1)], isReal: true, stop: async () => {} };
  const fleet = new Fleet();
  const nodes = [await startNode({ fleet, name: 'node-1' }), await startNode({ fleet, name: 'node-2' })];
  return {
    urls: nodes.map(({ url }) => url), fleet, nodes, isReal: false,
    stop: () => Promise.all(nodes.map((node) => node.stop())),
  };
}

let rooms = 0;

/** Returns the name of a room that nobody else uses. */
export function newRoom(name = 'room') {
  rooms += 1;
  return `${name} ${process.pid}-${Date.now().toString(36)}-${rooms}`;
}

/** Somebody in front of the page. */
export class Person {
  /** Opens the page, gives a name, and waits until the room is joined. */
  static async enter(browser, url, room, { name = 'Ann', phone = false, locale = 'en-US', dark = false, isCut = false } = {}) {
    const context = await browser.newContext({
      locale,
      colorScheme: dark ? 'dark' : 'light',
      viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
      isMobile: phone,
      hasTouch: phone,
    });
    const person = new Person(context, await context.newPage(), isCut);
    await person.page.goto(`${url}/#/${encodeURIComponent(room)}`);
    await person.page.fill('#name-field', name);
    await person.page.click('#name-save');
    await person.isOnline();
    await person.page.waitForFunction(() => !document.querySelector('.skeleton'));
    return person;
  }

  constructor(context, page, isCut) {
    Object.assign(this, { context, page, faults: [] });
    page.on('console', (message) => {
      if (!['error', 'warning'].includes(message.type())) return;
      if (!isCut || !CUT.test(message.text())) this.faults.push(message.text());
    });
    page.on('pageerror', (error) => this.faults.push(String(error.stack)));
    page.on('request', (request) => {
      if (!request.url().startsWith(new URL(page.url()).origin) && page.url() !== 'about:blank') this.faults.push(`asked ${request.url()}`);
    });
  }

  async isOnline() {
    await this.page.waitForSelector('#dot[data-state="online"]', { state: 'attached' });
  }

  /** Writes and presses Enter. */
  async say(text) {
    await this.page.fill('#field', text);
    await this.page.press('#field', 'Enter');
  }

  /** The texts in the conversation from top to bottom, with a state behind those not yet delivered. */
  async screen() {
    return this.page.$$eval('.message', (rows) => rows.map((row) => {
      const state = ['waiting', 'sent', 'failed', 'ask'].find((name) => row.classList.contains(name));
      return row.querySelector('.bubble').textContent + (state ? ` (${state})` : '');
    }));
  }

  /** Waits until the conversation is exactly this. */
  async shows(expected, message) {
    await eventually(async () => assert.deepEqual(await this.screen(), expected, message));
  }

  /** Leaves, and says whether the browser had anything to complain about. */
  async leave() {
    await this.context.close();
    assert.deepEqual(this.faults, []);
  }
}

/** Waits until an assertion holds; then or at the end of patience its failure is the test's. */
export async function eventually(check, patience = Number(process.env.TEST_PATIENCE_MS ?? 20_000)) {
  const end = Date.now() + patience;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await new Promise((resolve) => { setTimeout(resolve, 30); });
  }
}
