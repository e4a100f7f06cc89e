/**
 * The measuring stick: a `ws` server that does the same sends, pings among them, and nothing else. Rooms are sets of sockets,
 * nothing is checked or kept. It speaks as much of flotilla.v1 as the clients here need, so that they are the same for both.
 */
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { maxFrameBytes, subprotocol } from '@flotilla/contracts';
import { type WebSocket, WebSocketServer } from 'ws';
import { serve } from './helper.ts';
import type { BareCalls } from './protocol.ts';

interface Message {
  readonly id: string;
  readonly type: string;
  readonly to?: string;
  readonly payload: { readonly room?: string; readonly data?: unknown };
}

const rooms = new Map<string, Set<WebSocket>>();
const sockets = new Set<WebSocket>();
let messages = 0;

/** Pings each connection so often, a few at each tick, as the gateway does. */
function ping(heartbeatMs: number): void {
  const tickMs = 10;
  let walk = sockets.values();
  let due = 0;
  setInterval(() => {
    for (due += (sockets.size * tickMs) / heartbeatMs; due >= 1; due--) {
      let next = walk.next();
      if (next.done) next = (walk = sockets.values()).next();
      next.value?.ping();
    }
  }, tickMs);
}

function onConnection(socket: WebSocket): void {
  let room: Set<WebSocket> | undefined;
  socket.on('message', (raw) => {
    const { id, type, to, payload } = JSON.parse((raw as Buffer).toString()) as Message;
    if (type === 'join') {
      const name = payload.room!;
      room = rooms.get(name);
      if (!room) rooms.set(name, (room = new Set()));
      room.add(socket);
      socket.send(
        `{"replyTo":"${id}","ok":true,"payload":{"snapshot":{"room":{"id":"${name}"},"offset":"0-${messages}"}}}`,
      );
      return;
    }
    const seq = `0-${++messages}`;
    const { data } = payload;
    const frame = JSON.stringify({ seq, type, from: 'bare', to, routedAt: Date.now(), payload: { data } });
    for (const member of room ?? []) member.send(frame);
    socket.send(`{"replyTo":"${id}","ok":true,"payload":{"seq":"${seq}"}}`);
  });
  socket.on('error', () => socket.terminate());
  socket.once('close', () => {
    room?.delete(socket);
    sockets.delete(socket);
  });
  sockets.add(socket);
  socket.send('{"type":"welcome","payload":{"resumed":false}}');
}

serve<BareCalls>(
  {
    listen: async ({ certificate, heartbeatMs }) => {
      ping(heartbeatMs);
      const server = certificate ? createTlsServer(certificate) : createServer();
      new WebSocketServer({
        server,
        maxPayload: maxFrameBytes,
        perMessageDeflate: false,
        clientTracking: false,
        handleProtocols: () => subprotocol,
      }).on('connection', onConnection);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return (server.address() as AddressInfo).port;
    },
  },
  () => ({}),
);
