import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { type AddressInfo, connect, isIPv4, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { TokenIssuer } from '@flotilla/auth';
import { signalPath, subprotocol, tokenSubprotocolPrefix } from '@flotilla/contracts';
import { createLogger, type Logger, nestLogger } from '@flotilla/runtime';
import { type Backplane, memoryBackplane } from '@flotilla/backplane';
import { NestFactory } from '@nestjs/core';
import { WebSocket } from 'ws';
import { gatewayConfig } from '../src/config.ts';
import { protectSignaling, SignalingGatewayModule, useSignaling } from '../src/signaling-gateway.module.ts';
import { type CertificateFiles, ServerCertificate } from '@flotilla/runtime';

const secret = 'a-secret-for-tests-of-32-characters';
const issuer = new TokenIssuer({ secret, issuer: 'flotilla', audience: 'flotilla' });

export interface RunningGateway {
  /** URL with the scheme that is served. */
  readonly url: string;
  readonly port: number;
  readonly server: Server;
  readonly stop: () => Promise<void>;
}

export interface GatewayOptions {
  readonly settings?: Readonly<Record<string, string>>;
  readonly host?: string;
  readonly certificate?: ServerCertificate;
  /** Interval between two reads of the certificate files, ms. */
  readonly reloadMs?: number;
  /** Default: a fleet in memory. */
  readonly backplane?: Backplane;
}

export const log: Logger = createLogger({ service: 'test', level: 'fatal' });

/** A gateway over a fleet in memory, wired as in main.ts. */
export async function startGateway(options: GatewayOptions = {}): Promise<RunningGateway> {
  const { settings = {}, host = '127.0.0.1', certificate, reloadMs = 20, backplane = memoryBackplane(log) } = options;
  const config = gatewayConfig.parse({ FLOTILLA_TOKEN_SECRET: secret, ...settings });
  const app = await NestFactory.create(SignalingGatewayModule.register({ config, backplane, log }), {
    logger: nestLogger(log),
    ...(certificate && { httpsOptions: certificate.serverOptions }),
  });
  useSignaling(app);
  const server = app.getHttpServer() as Server;
  protectSignaling(app, { proxyProtocol: config.FLOTILLA_PROXY_PROTOCOL, tls: certificate !== undefined }, log);
  const stopReloading = certificate?.reloadOnChange(server, reloadMs);
  await app.listen(0, host);
  const { port } = server.address() as AddressInfo;
  return {
    url: `${certificate ? 'https' : 'http'}://${host}:${port}`,
    port,
    server,
    stop: async () => {
      stopReloading?.();
      await app.close();
    },
  };
}

export const newToken = async (userId = 'ada', room = 'rm_a'): Promise<string> => {
  const { token } = await issuer.issue({
    userId,
    name: 'Ada',
    room,
    grants: ['publish', 'subscribe', 'data'],
    ttlSeconds: 60,
  });
  return token;
};

/** A certificate for localhost and 127.0.0.1, made by openssl. */
export function makeCertificate(directory: string, name = 'tls'): CertificateFiles & { readonly pem: string } {
  const [cert, key] = [join(directory, `${name}.crt`), join(directory, `${name}.key`)];
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-days', '30'],
      ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
      ...['-keyout', key, '-out', cert],
    ],
    { stdio: 'pipe' },
  );
  return { cert, key, pem: readFileSync(cert, 'utf8') };
}

/** Connects, sends `begin` as the first bytes, and starts TLS if `ca` is given. */
export function open(port: number, begin: Buffer | string = '', ca?: string): Socket {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  if (begin.length > 0) socket.write(begin);
  return secured(socket, ca);
}

/** Starts TLS over a socket if `ca` is given. */
export const secured = (socket: Socket, ca: string | undefined): Socket =>
  ca === undefined ? socket : connectTls({ socket, ca, servername: 'localhost' });

/** Number of open connections of a server. */
export const connections = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => server.getConnections((error, count) => (error ? reject(error) : resolve(count))));

/** A WebSocket of an admitted session over a socket of `open`; resolves after the welcome. */
export async function openWebSocket(socket: Socket): Promise<WebSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  // A socket that is closed before the handshake begins leaves the WebSocket without an event.
  socket.once('error', reject).once('close', () => reject(new Error('the socket was closed')));
  const admit = async (): Promise<void> => {
    const protocols = [subprotocol, tokenSubprotocolPrefix + (await newToken())];
    const options = { createConnection: () => socket, perMessageDeflate: false };
    const websocket = new WebSocket(`ws://localhost${signalPath}`, protocols, options);
    websocket.once('message', () => resolve(websocket)).once('error', reject);
  };
  await Promise.race([promise, admit()]);
  return promise;
}

/** Sends a ping request. Resolves to its reply. */
export async function ping(websocket: WebSocket): Promise<unknown> {
  const answer = new Promise((resolve) =>
    websocket.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as { replyTo?: string };
      if (message.replyTo === 'p') resolve(message);
    }),
  );
  websocket.send(JSON.stringify({ id: 'p', type: 'ping', payload: {} }));
  return answer;
}

/** An address of this machine that is not a loopback one. */
export const ownAddress = Object.values(networkInterfaces())
  .flatMap((each) => each ?? [])
  .find(({ internal, address }) => !internal && isIPv4(address))?.address;
