import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { signalPath, subprotocol, tokenSubprotocolPrefix } from '@flotilla/contracts';
import { notYet, waitFor } from './wait-for.ts';

/** Opcodes of RFC 6455, section 5.2. */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface FrameOptions {
  readonly fin?: boolean;
  /** The three reserved bits as one number; RSV1 is 4. */
  readonly rsv?: number;
  /** Clients must mask (section 5.1). */
  readonly masked?: boolean;
  /** Length in the header in place of the real one, in its 64-bit form. */
  readonly claimedLength?: bigint;
}

/** Encodes a frame, valid or not. */
export function frame(opcode: number, payload: Uint8Array | string = '', options: FrameOptions = {}): Buffer {
  const { fin = true, rsv = 0, masked = true, claimedLength } = options;
  const body = Buffer.from(payload);
  const mask = masked ? randomBytes(4) : Buffer.alloc(0);
  const maskBit = masked ? 0x80 : 0;
  const first = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  let header: Buffer;
  if (claimedLength !== undefined || body.length > 0xff_ff) {
    header = Buffer.alloc(10);
    header[1] = maskBit | 127;
    header.writeBigUInt64BE(claimedLength ?? BigInt(body.length), 2);
  } else if (body.length > 125) {
    header = Buffer.alloc(4);
    header[1] = maskBit | 126;
    header.writeUInt16BE(body.length, 2);
  } else {
    header = Buffer.from([0, maskBit | body.length]);
  }
  header[0] = first;
  return Buffer.concat([header, mask, masked ? body.map((byte, index) => byte ^ mask[index % 4]!) : body]);
}

/** The body of a close frame (section 5.5.1). */
export function closeBody(code: number, reason: Uint8Array | string = ''): Buffer {
  const body = Buffer.alloc(2);
  body.writeUInt16BE(code);
  return Buffer.concat([body, Buffer.from(reason)]);
}

/** A frame from the server. */
export interface ReceivedFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

/** The head of an upgrade request (section 4.1). */
export function upgradeRequest(url: URL, headers: Readonly<Record<string, string>>, key: string): string {
  const lines = {
    Host: url.host,
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': key,
    'Sec-WebSocket-Version': '13',
    ...headers,
  };
  return `GET ${url.pathname} HTTP/1.1\r\n${Object.entries(lines)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
}

/** The header that carries a token as a subprotocol. */
export const withToken = (token: string): Record<string, string> => ({
  'Sec-WebSocket-Protocol': `${subprotocol}, ${tokenSubprotocolPrefix}${token}`,
});

/** A TCP connection to a gateway for frames that no WebSocket library sends. Reads frames without answering any. */
export class RawFrames {
  readonly frames: ReceivedFrame[] = [];
  /** Heads of the upgrade request and its response. */
  request = '';
  response = '';
  #unread = Buffer.alloc(0);
  #ended = false;

  private constructor(
    readonly socket: Socket,
    readonly url: URL,
  ) {
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    // The server may reset the connection, which counts as its end.
    socket.on('error', () => undefined);
    for (const event of ['end', 'close']) socket.on(event, () => (this.#ended = true));
  }

  /**
   * Opens a connection without sending anything.
   *
   * @param localAddress on Linux any 127.x.y.z. Default: 127.0.0.1.
   */
  static async open(gateway: string, localAddress?: string): Promise<RawFrames> {
    const url = new URL(signalPath, gateway);
    // Allows tests of half-open connections.
    const socket = connect({
      host: url.hostname,
      port: Number(url.port),
      allowHalfOpen: true,
      ...(localAddress !== undefined && { localAddress }),
    });
    const raw = new RawFrames(socket, url);
    await once(socket, 'connect');
    return raw;
  }

  /** Opens a connection and upgrades it to a WebSocket. */
  static async upgraded(
    gateway: string,
    headers: Readonly<Record<string, string>>,
    localAddress?: string,
  ): Promise<RawFrames> {
    const raw = await RawFrames.open(gateway, localAddress);
    const key = randomBytes(16).toString('base64');
    raw.write((raw.request = upgradeRequest(raw.url, headers, key)));
    await waitFor('the upgrade', () => raw.status ?? notYet('there is no answer'), { everyMs: 5 });
    if (raw.status !== 101) throw new Error(`not upgraded: ${raw.response}`);
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    if (!raw.response.includes(accept)) throw new Error('the Sec-WebSocket-Accept header is missing or wrong');
    return raw;
  }

  /** HTTP status of the response; undefined before its head is complete. */
  get status(): number | undefined {
    return this.response === '' ? undefined : Number(this.response.split(' ')[1]);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Writes bytes; ignored after the connection has ended. */
  write(bytes: Uint8Array | string): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  send(opcode: number, payload?: Uint8Array | string, options?: FrameOptions): void {
    this.write(frame(opcode, payload, options));
  }

  /** Waits for the server's close code; 1005 when its frame has none, 1006 when the connection ends without a frame. */
  async closeCode(): Promise<number> {
    return waitFor(
      'a close frame',
      () => {
        const close = this.frames.find(({ opcode }) => opcode === opcodes.close);
        if (close) return close.payload.length < 2 ? 1005 : close.payload.readUInt16BE();
        return this.#ended ? 1006 : notYet(`it stays open, after ${this.frames.length} frames`);
      },
      { everyMs: 5 },
    );
  }

  /** The received text messages, parsed. */
  get messages(): Record<string, unknown>[] {
    return this.frames
      .filter(({ opcode }) => opcode === opcodes.text)
      .map(({ payload }) => JSON.parse(payload.toString()) as Record<string, unknown>);
  }

  destroy(): void {
    this.socket.destroy();
  }

  #receive(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    if (this.response === '') {
      const end = this.#unread.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.response = this.#unread.subarray(0, end + 4).toString('latin1');
      this.#unread = this.#unread.subarray(end + 4);
    }
    if (this.status === 101) while (this.#readFrame());
  }

  /** Parses one frame of the received bytes. Servers send no masked frames, and this one no fragmented ones. */
  #readFrame(): boolean {
    const bytes = this.#unread;
    if (bytes.length < 2) return false;
    let length = bytes[1]! & 0x7f;
    let start = 2;
    if (length >= 126) {
      start = length === 126 ? 4 : 10;
      if (bytes.length < start) return false;
      length = start === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
    }
    if (bytes.length < start + length) return false;
    this.frames.push({ opcode: bytes[0]! & 0x0f, payload: bytes.subarray(start, start + length) });
    this.#unread = bytes.subarray(start + length);
    return true;
  }
}
