// Chat on bare ws and ioredis, without any guarantee: the least that a chat can do for its money.
//
// A room is a set of local members and one subscription, made with the first member and ended with the last. What is
// said goes to Redis as the frame that members get, so that nothing is encoded again on the way.
//
//   {"t":"join","room":"r"}                    {"t":"joined","room":"r"} once the room is subscribed
//   {"t":"msg","room":"r","d":"…","id":1}      {"t":"msg","room":"r","d":"…"} to all members, the sender too,
//                                              and {"t":"ok","id":1} to the sender once Redis has it
//
// LISTEN is `host:port`; REDIS is a URL, and without it there is this process only.
import { Redis } from 'ioredis';
import { WebSocketServer } from 'ws';

const [, host, port] = /^(.+):(\d+)$/.exec(process.env.LISTEN ?? '127.0.0.1:8000') ?? [];
if (!host) {
  console.error(`LISTEN is ${process.env.LISTEN}, not host:port`);
  process.exit(1);
}

const PREFIX = 'room:';
/** Room name to { members, ready }: its local members, and when the subscription stands. */
const rooms = new Map();

/** Opens a way to Redis and waits until it is there. */
async function redis() {
  const link = new Redis(process.env.REDIS, { enableAutoPipelining: true, lazyConnect: true });
  await link.connect();
  return link;
}

const publisher = process.env.REDIS ? await redis() : null;
const subscriber = process.env.REDIS ? await redis() : null;

function deliver(name, frame) {
  for (const member of rooms.get(name)?.members ?? []) member.send(frame, { binary: false });
}

subscriber?.on('messageBuffer', (channel, frame) => deliver(channel.toString('utf8', PREFIX.length), frame));

async function publish(name, frame) {
  if (publisher) await publisher.publish(PREFIX + name, frame);
  else deliver(name, Buffer.from(frame));
}

function join(session, name) {
  let room = rooms.get(name);
  if (!room) {
    room = { members: new Set(), ready: subscriber?.subscribe(PREFIX + name) };
    rooms.set(name, room);
  }
  room.members.add(session);
  session.rooms.add(name);
  return room.ready;
}

function leave(session, name) {
  const room = rooms.get(name);
  room.members.delete(session);
  if (room.members.size > 0) return;
  rooms.delete(name);
  subscriber?.unsubscribe(PREFIX + name);
}

async function take(session, text) {
  const { t: type, room, d, id } = JSON.parse(text);
  if (type === 'join') {
    await join(session, room);
    session.send(JSON.stringify({ t: 'joined', room }));
  } else if (type === 'msg') {
    await publish(room, JSON.stringify({ t: 'msg', room, d }));
    session.send(JSON.stringify({ t: 'ok', id }));
  } else {
    throw new Error(`no such type: ${type}`);
  }
}

const server = new WebSocketServer({ host, port: Number(port), backlog: 4096, perMessageDeflate: false, clientTracking: false });

server.on('connection', (session) => {
  session.rooms = new Set();
  session.on('message', (text) => take(session, text).catch((error) => session.close(1008, error.message.slice(0, 100))));
  session.on('error', () => session.terminate());
  session.on('close', () => {
    for (const name of session.rooms) leave(session, name);
  });
});
