// Flotilla without its SDK: joins a room over a plain WebSocket, says who is there, and chats. Node 22 or newer, no packages.
//
//   npm start                                              # in another terminal
//   node examples/plain-client.mjs stand-up Ada            # and the same with another name in a third
//
// Every message is in docs/asyncapi.json, how they play together in docs/protocol.md.
import { createInterface } from 'node:readline';

const [room = 'stand-up', name = 'Guest', server = 'http://localhost:8080'] = process.argv.slice(2);

// Your backend decides who may enter: POST /v1/rooms/{room}/tokens with your API key. Here an open console does it.
const entry = await fetch(new URL('/console/entry', server), {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ room, name }),
}).then((response) => response.json());
if (entry.error) throw new Error(`${entry.error.code}: ${entry.error.message}`);

// The token travels as a subprotocol entry, never in the URL. Only the first entry comes back from the server.
const url = new URL('/v1/signal', (entry.url ?? server).replace(/^http/, 'ws'));
const socket = new WebSocket(url, ['flotilla.v1', `flotilla.token.${entry.token}`, `flotilla.time.${Date.now()}`]);

// A request is {id, type, to?, payload}; its one reply carries the same id as `replyTo`.
const waiting = new Map();
let lastId = 0;
function request(type, payload, to) {
  const id = String(++lastId);
  socket.send(JSON.stringify({ id, type, to, payload }));
  return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
}

const people = new Map();
const events = {
  async welcome() {
    const { participantId, snapshot } = await request('join', { room });
    for (const { id, name } of snapshot.participants) people.set(id, name);
    console.log(`In ${snapshot.room.name}: ${[...people.values()].join(', ')}. Write something; Ctrl+D leaves.`);
    const to = `room:${snapshot.room.id}`;
    const lines = createInterface({ input: process.stdin });
    lines.on('line', (text) => request('message', { data: { text } }, to).catch((error) => console.log(error.message)));
    lines.on('close', () => request('leave', {}, to).finally(() => socket.close(1000)));
    events.message = ({ from, payload }) => from !== participantId && console.log(`${people.get(from) ?? from}: ${payload.data?.text}`);
  },
  participant_joined({ payload: { participant } }) {
    if (!people.has(participant.id)) console.log(`* ${participant.name} is here`);
    people.set(participant.id, participant.name);
  },
  participant_left({ payload: { participantId, reason } }) {
    console.log(`* ${people.get(participantId) ?? participantId} is gone (${reason})`);
    people.delete(participantId);
  },
};

socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (!('replyTo' in message)) return events[message.type]?.(message);
  const { resolve, reject } = waiting.get(message.replyTo) ?? {};
  waiting.delete(message.replyTo);
  if (message.ok) resolve?.(message.payload);
  else reject?.(new Error(`${message.error.code}: ${message.error.message}`));
};
socket.onclose = ({ code, reason }) => process.exit(code === 1000 ? 0 : (console.log(`closed: ${code} ${reason}`), 1));
