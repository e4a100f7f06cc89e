// A Flotilla client without the SDK: joins a room over a plain WebSocket, lists the participants and chats. Node 22 or newer,
// no packages.
//
//   npm start                                              # in another terminal
//   node examples/plain-client.mjs stand-up Ada            # and in a third terminal, with another name
//
// docs/asyncapi.json describes every message, docs/protocol.md their order.
import { createInterface } from 'node:readline';

const [room = 'stand-up', name = 'Guest', server = 'http://localhost:8080'] = process.argv.slice(2);

// With `npm start` the console issues join tokens and creates the room. In production your own backend issues them: see
// examples/README.md.
const entry = await fetch(new URL('/console/entry', server), {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ room, name }),
}).then((response) => response.json());
if (entry.error) throw new Error(`${entry.error.code}: ${entry.error.message}`);

// The token travels as a subprotocol, never in the URL. The server selects the first one.
const url = new URL('/v1/signal', (entry.url ?? server).replace(/^http/, 'ws'));
const socket = new WebSocket(url, ['flotilla.v1', `flotilla.token.${entry.token}`, `flotilla.time.${Date.now()}`]);

// A request is {id, type, to?, payload}; its only reply carries the same id in `replyTo`.
const pending = new Map();
let lastId = 0;
function request(type, payload, to) {
  const id = String(++lastId);
  socket.send(JSON.stringify({ id, type, to, payload }));
  return new Promise((resolve, reject) => pending.set(id, { resolve, reject }));
}

const names = new Map();
const events = {
  async welcome() {
    const { participantId, snapshot } = await request('join', { room });
    for (const { id, name } of snapshot.participants) names.set(id, name);
    console.log(`In ${snapshot.room.name}: ${[...names.values()].join(', ')}. Type a message; Ctrl+D leaves.`);
    const to = `room:${snapshot.room.id}`;
    // A large room is listed in pages. Who leaves meanwhile may be listed still; docs/protocol.md says how to leave them out.
    for (let cursor = snapshot.next; cursor; ) {
      const page = await request('list_participants', { cursor }, to);
      for (const { id, name } of page.participants) names.set(id, name);
      cursor = page.next;
    }
    const lines = createInterface({ input: process.stdin });
    lines.on('line', (text) =>
      request('message', { data: { kind: 'chat', text } }, to).catch((error) => console.log(error.message)),
    );
    lines.on('close', () => request('leave', {}, to).finally(() => socket.close(1000)));
    events.message = ({ from, payload: { data } }) => {
      // Participants may send any data; only chat messages are printed.
      if (from !== participantId && data?.kind === 'chat') console.log(`${names.get(from) ?? from}: ${data.text}`);
    };
  },
  participant_joined({ payload: { participant } }) {
    if (!names.has(participant.id)) console.log(`* ${participant.name} joined`);
    names.set(participant.id, participant.name);
  },
  participant_connection({ payload: { participantId, connection } }) {
    console.log(`* ${names.get(participantId) ?? participantId} is ${connection}`);
  },
  participant_left({ payload: { participantId, reason } }) {
    console.log(`* ${names.get(participantId) ?? participantId} left (${reason})`);
    names.delete(participantId);
  },
};

socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (!('replyTo' in message)) return events[message.type]?.(message);
  const { resolve, reject } = pending.get(message.replyTo) ?? {};
  pending.delete(message.replyTo);
  if (message.ok) resolve?.(message.payload);
  else reject?.(new Error(`${message.error.code}: ${message.error.message}`));
};
socket.onclose = ({ code, reason }) => process.exit(code === 1000 ? 0 : (console.log(`closed: ${code} ${reason}`), 1));
