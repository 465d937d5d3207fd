// The server's half of RFC 6455 for tests: text frames, ping, close; no extensions and no fragments to send.

import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';

const MAGIC = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** One upgraded line. Emits `text` and `end`. */
export class Line extends EventEmitter {
  constructor(request, stream) {
    super();
    this.stream = stream;
    this.buffer = Buffer.alloc(0);
    this.isOpen = true;
    const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + MAGIC).digest('base64');
    stream.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: madang.v1\r\n\r\n`);
    stream.setNoDelay(true);
    stream.on('data', (bytes) => {
      this.buffer = Buffer.concat([this.buffer, bytes]);
      while (this.isOpen && this.#read());
    });
    stream.on('error', () => {});
    stream.on('close', () => this.#ended());
  }

  /** Sends an object as a text frame. */
  send(frame) {
    if (this.isOpen && !this.isMuted) this.#write(TEXT, Buffer.from(JSON.stringify(frame)));
  }

  /** Closes with a code. */
  close(code) {
    if (!this.isOpen) return;
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16BE(code);
    this.#write(CLOSE, bytes);
    this.stream.end();
  }

  /** Cuts the line without a word. */
  cut() {
    this.stream.destroy();
  }

  #ended() {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.emit('end');
  }

  #write(opcode, payload) {
    const { length } = payload;
    const head = length < 126 ? Buffer.from([0x80 | opcode, length]) : Buffer.alloc(length < 65_536 ? 4 : 10);
    if (length >= 126) {
      head[0] = 0x80 | opcode;
      head[1] = length < 65_536 ? 126 : 127;
      if (length < 65_536) head.writeUInt16BE(length, 2);
      else head.writeBigUInt64BE(BigInt(length), 2);
    }
    this.stream.write(Buffer.concat([head, payload]));
  }

  #read() {
    const { buffer } = this;
    if (buffer.length < 2) return false;
    let length = buffer[1] & 0x7f;
    let at = 2;
    if (length === 126) {
      if (buffer.length < 4) return false;
      length = buffer.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (buffer.length < 10) return false;
      length = Number(buffer.readBigUInt64BE(2));
      at = 10;
    }
    if (buffer.length < at + 4 + length) return false;
    const mask = buffer.subarray(at, at + 4);
    const payload = Buffer.from(buffer.subarray(at + 4, at + 4 + length));
    for (let i = 0; i < length; i += 1) payload[i] ^= mask[i % 4];
    this.buffer = buffer.subarray(at + 4 + length);
    const opcode = buffer[0] & 0x0f;
    if (opcode === TEXT && !this.isMuted) this.emit('text', payload.toString());
    else if (opcode === PING && !this.isMuted) this.#write(PONG, payload);
    else if (opcode === CLOSE) {
      this.#write(CLOSE, payload.subarray(0, 2));
      this.stream.end();
      this.#ended();
    }
    return true;
  }
}
