import { connect, type Socket } from 'node:net';
import { IngestError } from '../ingest-error.ts';
import { type Authorize, authorizationFor, type Credentials } from './authorization.ts';
import { MessageReader, type RtspMessage } from './message-reader.ts';

const connectTimeoutMs = 5000;
const responseTimeoutMs = 10_000;
/** Limit of unsent bytes. Above it RTCP is dropped, and a camera that sends requests is disconnected. */
const maxUnsentBytes = 262_144;
const userAgent = 'flotilla-media-edge';

export interface RtspResponse {
  readonly status: number;
  readonly headers: RtspMessage['headers'];
  readonly body: string;
}

interface Pending {
  readonly resolve: (response: RtspResponse) => void;
  readonly reject: (error: IngestError) => void;
  readonly timer: NodeJS.Timeout;
}

export interface ConnectionHandlers {
  onPacket(channel: number, packet: Buffer): void;
  onClosed(error: IngestError): void;
}

/** An RTSP 1.0 connection (RFC 2326): requests with authentication, and interleaved packets. */
export class RtspConnection {
  readonly #pending = new Map<number, Pending>();
  #lastSequence = 0;
  #authorize: Authorize | undefined;
  #closed = false;
  readonly #reader: MessageReader;

  private constructor(
    private readonly socket: Socket,
    private readonly credentials: Credentials,
    private readonly handlers: ConnectionHandlers,
  ) {
    this.#reader = new MessageReader({
      onMessage: (message) => this.#onMessage(message),
      onPacket: (channel, packet) => handlers.onPacket(channel, packet),
    });
    socket.setNoDelay(true);
    socket.on('data', (chunk) => {
      try {
        this.#reader.push(chunk);
      } catch (error) {
        this.#end(new IngestError('SOURCE_INVALID', `the camera does not speak RTSP: ${(error as Error).message}`));
      }
    });
    socket.on('error', ({ message }) => this.#end(new IngestError('SOURCE_UNREACHABLE', message)));
    socket.on('close', () => this.#end(new IngestError('SOURCE_ENDED', 'the camera closed the connection')));
  }

  /** Connects. Throws IngestError SOURCE_UNREACHABLE. */
  static async open(url: URL, credentials: Credentials, handlers: ConnectionHandlers): Promise<RtspConnection> {
    const [host, port] = [url.hostname.replace(/^\[|\]$/g, ''), Number(url.port || 554)];
    const socket = connect({ host, port });
    const unreachable = (reason: string): IngestError =>
      new IngestError('SOURCE_UNREACHABLE', `${host}:${port} cannot be reached: ${reason}`);
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        socket.destroy();
        reject(unreachable(`no answer within ${connectTimeoutMs / 1000} s`));
      }, connectTimeoutMs);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.removeAllListeners('error');
        resolve();
      });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        reject(unreachable(error.code ?? error.message));
      });
    });
    return new RtspConnection(socket, credentials, handlers);
  }

  /** The address of the camera. */
  get remoteAddress(): string {
    return this.socket.remoteAddress ?? '';
  }

  /** Sends a request, with credentials when the camera asks for them. Throws IngestError for a response other than 200. */
  async request(method: string, uri: string, headers: Readonly<Record<string, string>> = {}): Promise<RtspResponse> {
    const response = await this.#send(method, uri, headers);
    if (response.status !== 401) return accepted(method, response);
    const { user, password } = this.credentials;
    const wasAuthorized = this.#authorize !== undefined;
    const challenges = response.headers.get('www-authenticate') ?? [];
    this.#authorize = user === '' && password === '' ? undefined : authorizationFor(challenges, this.credentials);
    // A second refusal may be because of an old nonce.
    const isStale = challenges.some((challenge) => /stale\s*=\s*"?true/i.test(challenge));
    if (!this.#authorize || (wasAuthorized && !isStale)) throw unauthorized(user);
    const second = await this.#send(method, uri, headers);
    if (second.status === 401) throw unauthorized(user);
    return accepted(method, second);
  }

  #send(method: string, uri: string, headers: Readonly<Record<string, string>>): Promise<RtspResponse> {
    if (this.#closed) return Promise.reject(new IngestError('SOURCE_ENDED', 'the connection is closed'));
    const sequence = ++this.#lastSequence;
    const lines = [
      `${method} ${uri} RTSP/1.0`,
      `CSeq: ${sequence}`,
      `User-Agent: ${userAgent}`,
      ...(this.#authorize ? [`Authorization: ${this.#authorize(method, uri)}`] : []),
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ];
    this.socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () =>
          this.#end(new IngestError('SOURCE_SILENT', `no answer to ${method} within ${responseTimeoutMs / 1000} s`)),
        responseTimeoutMs,
      );
      this.#pending.set(sequence, { resolve, reject, timer });
    });
  }

  #onMessage({ start, headers, body }: RtspMessage): void {
    const sequence = Number(headers.get('cseq')?.[0]);
    const [, status] = /^RTSP\/1\.\d (\d{3})/.exec(start) ?? [];
    if (status === undefined) {
      // A request of the camera, such as ANNOUNCE.
      if (!/ RTSP\/1\.\d$/.test(start)) throw new Error('a message that is neither a response nor a request');
      if (this.#closed) return;
      if (this.socket.writableLength > maxUnsentBytes)
        return this.#end(
          new IngestError('SOURCE_INVALID', 'the camera sends requests and does not read the responses'),
        );
      this.socket.write(`RTSP/1.0 501 Not Implemented\r\nCSeq: ${sequence || 0}\r\n\r\n`);
      return;
    }
    const pending = this.#pending.get(sequence);
    if (!pending) return;
    this.#pending.delete(sequence);
    clearTimeout(pending.timer);
    pending.resolve({ status: Number(status), headers, body });
  }

  /** Sends an interleaved packet. It is dropped when the camera does not read. */
  sendPacket(channel: number, packet: Buffer): void {
    if (this.#closed || this.socket.writableLength > maxUnsentBytes) return;
    const header = Buffer.from([0x24, channel, packet.length >> 8, packet.length & 255]);
    this.socket.write(Buffer.concat([header, packet]));
  }

  #end(error: IngestError): void {
    if (this.#closed) return;
    this.#finish(error);
    this.handlers.onClosed(error);
  }

  #finish(error: IngestError): void {
    this.#closed = true;
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(error);
    }
    this.#pending.clear();
    this.socket.destroy();
  }

  /** Closes the connection, after what was written to it is sent. */
  close(): void {
    if (this.#closed) return;
    this.socket.end();
    this.#finish(new IngestError('SOURCE_ENDED', 'the connection was closed'));
  }
}

const unauthorized = (user: string): IngestError =>
  new IngestError(
    'SOURCE_UNAUTHORIZED',
    user === ''
      ? 'the camera asks for user name and password: rtsp://USER:PASSWORD@HOST/PATH'
      : 'the camera refused user name and password',
  );

function accepted(method: string, response: RtspResponse): RtspResponse {
  const { status, headers } = response;
  if (status === 200) return response;
  if (status === 461)
    throw new IngestError('TRANSPORT_UNSUPPORTED', 'the camera does not send over this transport: choose tcp or udp');
  const location = headers.get('location')?.[0];
  const where = location === undefined ? '' : ' It redirects; redirects are not followed.';
  throw new IngestError(
    'SOURCE_REFUSED',
    `the camera answered ${method} with ${status}.${where} Check the path of the URL.`,
  );
}
