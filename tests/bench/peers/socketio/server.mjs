// Chat on Socket.IO with its Redis adapter: rooms, everybody in one gets what is said in it.
//
// LISTEN is `host:port`; REDIS is a URL, and without it there is no adapter but the one in memory.
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';

const [, host, port] = /^(.+):(\d+)$/.exec(process.env.LISTEN ?? '127.0.0.1:8000') ?? [];
if (!host) {
  console.error(`LISTEN is ${process.env.LISTEN}, not host:port`);
  process.exit(1);
}

/** Opens a way to Redis and waits until it is there. */
async function redis() {
  const link = new Redis(process.env.REDIS, { enableAutoPipelining: true, lazyConnect: true });
  await link.connect();
  return link;
}

const options = { transports: ['websocket'], perMessageDeflate: false };
if (process.env.REDIS) options.adapter = createAdapter(await redis(), await redis());
const http = createServer();
const io = new Server(http, options);

// The documentation's advice for less memory: the first request of a session is of no use later.
io.engine.on('connection', (session) => {
  session.request = null;
});

io.on('connection', (session) => {
  session.on('join', (room, answer) => {
    session.join(room);
    answer?.('ok');
  });
  session.on('msg', (room, data, answer) => {
    io.to(room).emit('msg', room, data);
    answer?.('ok');
  });
});

http.listen(Number(port), host, 4096);
