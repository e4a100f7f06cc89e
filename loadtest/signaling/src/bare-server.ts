/**
 * The reference: a bare `ws` server with the same sends and pings. Rooms are sets of sockets, without checks or persistence. It
 * implements the part of flotilla.v1 that the benchmark's clients use, so that both servers have the same clients.
 */
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { maxFrameBytes, subprotocol } from '@flotilla/contracts';
import { type WebSocket, WebSocketServer } from 'ws';
import { serve } from './rpc-child.ts';
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

/** Pings each connection once per `heartbeatMs`, a few per 10 ms tick, as the gateway does. */
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
