// The part of your own backend that issues join tokens. Node 22 or newer, no packages.
//
//   npm start                                              # in another terminal; prints the next line with its API key
//   export FLOTILLA_API_KEY=...
//   node examples/token-backend.mjs stand-up Ada           # prints a join token
//
// For a deployment, set FLOTILLA_URL to the REST API and FLOTILLA_API_KEY to one of its keys. docs/openapi.json describes
// every field.
const { FLOTILLA_URL = 'http://localhost:8080', FLOTILLA_API_KEY } = process.env;
const [room = 'stand-up', name = 'Guest'] = process.argv.slice(2);

async function post(path, body) {
  const headers = { 'content-type': 'application/json' };
  if (FLOTILLA_API_KEY) headers.authorization = `Bearer ${FLOTILLA_API_KEY}`;
  const response = await fetch(new URL(path, FLOTILLA_URL), { method: 'POST', headers, body: JSON.stringify(body) });
  const reply = await response.json();
  if (response.ok) return reply;
  throw Object.assign(new Error(reply.error.message), { code: reply.error.code });
}

// Tokens are issued for existing rooms only: without the room, the second request answers 404 ROOM_NOT_FOUND.
await post('/v1/rooms', { name: room }).catch((error) => {
  if (error.code !== 'ROOM_EXISTS') throw error;
});
const { token } = await post(`/v1/rooms/${room}/tokens`, { name, grants: ['publish', 'subscribe', 'data'] });
console.log(token);
