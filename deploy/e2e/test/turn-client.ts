import { createHash, createHmac, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';

const magicCookie = 0x2112a442;
const methods = { allocate: 0x0003, createPermission: 0x0008 } as const;
const attributes = {
  username: 0x0006,
  integrity: 0x0008,
  errorCode: 0x0009,
  peerAddress: 0x0012,
  realm: 0x0014,
  nonce: 0x0015,
  requestedTransport: 0x0019,
} as const;
const udp = Buffer.from([17, 0, 0, 0]);
const answeredWithinMs = 5000;

type Attribute = readonly [type: number, value: Buffer];

interface Answer {
  /** 0 for success, or the code of the error response. */
  readonly code: number;
  readonly attributes: ReadonlyMap<number, Buffer>;
}

export interface TurnServer {
  readonly host: string;
  readonly port: number;
  /** How requests reach the server; what it relays is UDP. Default: udp. */
  readonly transport?: 'udp' | 'tcp' | 'tls';
}

interface Path {
  send(request: Buffer): void;
  /** The next message from the server. */
  receive(signal: AbortSignal): Promise<Buffer>;
  close(): void;
}

function udpPath({ host, port }: TurnServer): Path {
  const socket = createSocket('udp4');
  return {
    send: (request) => socket.send(request, port, host),
    receive: async (signal) => ((await once(socket, 'message', { signal })) as [Buffer])[0],
    close: () => socket.close(),
  };
}

/** Over a stream, a message ends where its header says (RFC 8656, section 5; one request at a time is answered). */
function streamPath(socket: Duplex): Path {
  let received = Buffer.alloc(0);
  socket.on('data', (chunk: Buffer) => (received = Buffer.concat([received, chunk])));
  // A connection that fails answers nothing.
  socket.on('error', () => undefined);
  const isComplete = (): boolean => received.length >= 20 && received.length >= 20 + received.readUInt16BE(2);
  return {
    send: (request) => socket.write(request),
    receive: async (signal) => {
      while (!isComplete()) await once(socket, 'data', { signal });
      const message = received.subarray(0, 20 + received.readUInt16BE(2));
      received = received.subarray(message.length);
      return message;
    },
    close: () => socket.destroy(),
  };
}

function pathTo(server: TurnServer): Path {
  const { host, port, transport = 'udp' } = server;
  if (transport === 'udp') return udpPath(server);
  // The certificate of a test is nobody's.
  return streamPath(transport === 'tcp' ? connect(port, host) : connectTls({ host, port, rejectUnauthorized: false }));
}

/** Requests to a TURN server (RFC 8656), with a long-term credential. Each method returns 0 or the error code. */
export class TurnClient {
  readonly #path: Path;
  #challenge: readonly Attribute[] = [];
  #key: Buffer | undefined;

  constructor(
    server: TurnServer,
    private readonly credential: { readonly username: string; readonly credential: string },
  ) {
    this.#path = pathTo(server);
  }

  async allocate(): Promise<number> {
    const request: Attribute[] = [[attributes.requestedTransport, udp]];
    const { code, attributes: challenge } = await this.#request(methods.allocate, request);
    if (code !== 401) return code;
    const { username, credential } = this.credential;
    const realm = challenge.get(attributes.realm)!;
    this.#challenge = [
      [attributes.username, Buffer.from(username)],
      [attributes.realm, realm],
      [attributes.nonce, challenge.get(attributes.nonce)!],
    ];
    this.#key = createHash('md5').update(`${username}:${realm.toString()}:${credential}`).digest();
    return (await this.#request(methods.allocate, request)).code;
  }

  /** Asks for permission to exchange packets with an IPv4 address. */
  async permit(address: string): Promise<number> {
    const peer = Buffer.alloc(8);
    peer[1] = 1;
    peer.writeUInt16BE(magicCookie >>> 16, 2);
    const ip = address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
    peer.writeUInt32BE((ip ^ magicCookie) >>> 0, 4);
    return (await this.#request(methods.createPermission, [[attributes.peerAddress, peer]])).code;
  }

  close(): void {
    this.#path.close();
  }

  async #request(method: number, own: readonly Attribute[]): Promise<Answer> {
    const body = Buffer.concat([...own, ...this.#challenge].map(encode));
    const header = Buffer.alloc(20);
    header.writeUInt16BE(method, 0);
    header.writeUInt16BE(body.length + (this.#key ? 24 : 0), 2);
    header.writeUInt32BE(magicCookie, 4);
    randomBytes(12).copy(header, 8);
    const unsigned = Buffer.concat([header, body]);
    const signature = this.#key && createHmac('sha1', this.#key).update(unsigned).digest();
    const request = signature ? Buffer.concat([unsigned, encode([attributes.integrity, signature])]) : unsigned;
    const answered = this.#path.receive(AbortSignal.timeout(answeredWithinMs));
    this.#path.send(request);
    return decode(await answered);
  }
}

function encode([type, value]: Attribute): Buffer {
  const encoded = Buffer.alloc(4 + Math.ceil(value.length / 4) * 4);
  encoded.writeUInt16BE(type, 0);
  encoded.writeUInt16BE(value.length, 2);
  value.copy(encoded, 4);
  return encoded;
}

function decode(message: Buffer): Answer {
  const found = new Map<number, Buffer>();
  for (let at = 20; at + 4 <= message.length;) {
    const length = message.readUInt16BE(at + 2);
    found.set(message.readUInt16BE(at), message.subarray(at + 4, at + 4 + length));
    at += 4 + Math.ceil(length / 4) * 4;
  }
  const error = found.get(attributes.errorCode);
  return { code: error ? error[2]! * 100 + error[3]! : 0, attributes: found };
}
