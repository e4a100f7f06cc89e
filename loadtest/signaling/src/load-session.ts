import { createSecureContext, type SecureContext } from 'node:tls';
import type { TokenIssuer } from '@flotilla/auth';
import {
  compareOffsets,
  maxTokenSeconds,
  resumeSubprotocolPrefix,
  roomGrants,
  signalPath,
  startOfStream,
  subprotocol,
  tokenSubprotocolPrefix,
} from '@flotilla/contracts';
import { WebSocket } from 'ws';
import { Receipts, type RoomJournal } from './receipts.ts';
import type { Tally } from './tally.ts';

const deadlineMs = 15_000;

/** Monotonic time in microseconds, with the same epoch in all processes of a machine. */
export const nowMicros = (): number => Math.round(Number(process.hrtime.bigint()) / 1000);

/** Settings shared by the sessions of one process and side. */
export interface PoolContext {
  readonly url: string;
  readonly tls: SecureContext | undefined;
  readonly tally: Tally;
  /** Absent on the bare side, which does not authenticate. */
  readonly issuer: TokenIssuer | undefined;
}

export const trusting = (ca: string | undefined): SecureContext | undefined =>
  ca === undefined ? undefined : createSecureContext({ ca });

/** A request or connection failed, with the code of the server or of the network. */
class Refused extends Error {
  override readonly name = 'Refused';

  constructor(readonly code: string) {
    super(`refused with ${code}`);
  }
}

interface ServerMessage {
  readonly type?: string;
  readonly seq?: string;
  readonly replyTo?: string;
  readonly ok?: boolean;
  readonly error?: { readonly code: string };
  readonly payload?: unknown;
}

interface Data {
  readonly number: number;
  readonly at: number;
}

/** Padding to the size of a short chat message. */
const fill = 'x'.repeat(64);

/** One session in one room: sends and receives messages, and resumes after its connection is cut. */
export class LoadSession {
  state: 'out' | 'connecting' | 'in' = 'out';
  receipts = new Receipts();
  /** It rejoined instead of resuming completely, so its missing messages cannot be distinguished from lost ones. */
  unchecked = false;
  outOfOrder = 0;
  #socket: WebSocket | undefined;
  #address = '';
  #lastSeq = startOfStream;
  #resumeToken = '';
  /** Time of the last join or resume; earlier messages are replays. */
  #joinedAt = 0;
  #lastId = 0;
  readonly #pending = new Map<string, (message: ServerMessage | Refused) => void>();
  #onWelcome: ((message: ServerMessage) => void) | undefined;

  constructor(
    private readonly context: PoolContext,
    private readonly userId: string,
    private readonly room: string,
    readonly journal: RoomJournal,
  ) {}

  /** Requests without an answer yet. */
  get pendingRequests(): number {
    return this.#pending.size;
  }

  /** Connects with a new token and joins. Throws Refused. */
  async enter(): Promise<void> {
    this.state = 'connecting';
    const { issuer, tally } = this.context;
    const token = await issuer?.issue({
      userId: this.userId,
      room: this.room,
      grants: roomGrants,
      ttlSeconds: maxTokenSeconds,
    });
    const began = nowMicros();
    await this.#connect(token ? [tokenSubprotocolPrefix + token.token] : []);
    tally.times.handshake.record(nowMicros() - began);
    const { snapshot } = (await this.#request('join', { room: this.room })) as {
      snapshot: { room: { id: string }; offset: string };
    };
    tally.times.join.record(nowMicros() - began);
    this.#address = `room:${snapshot.room.id}`;
    this.#lastSeq = snapshot.offset;
    this.#setJoined();
  }

  /** Cuts the connection and resumes with the last offset, or rejoins when resuming fails. */
  async cutAndResume(): Promise<void> {
    this.state = 'connecting';
    const began = nowMicros();
    this.#terminate();
    const { tally, issuer } = this.context;
    const failure = issuer ? await this.#resume().catch(codeOf) : 'rejoined';
    if (failure !== undefined) {
      tally.count(`resume: ${failure}`);
      this.unchecked = true;
      this.#terminate();
      await this.enter();
    }
    tally.times.resume.record(nowMicros() - began);
  }

  /** Resolves to the reason of a failure; undefined on success. */
  async #resume(): Promise<string | undefined> {
    await this.#connect([resumeSubprotocolPrefix + this.#resumeToken]);
    const { rooms } = (await this.#request('resume', { offsets: { [this.#address]: this.#lastSeq } })) as {
      rooms: readonly { resumed: boolean; snapshot?: { offset: string } }[];
    };
    const [room] = rooms;
    if (!room) return 'not in the room';
    this.context.tally.count(room.resumed ? 'resume: complete' : 'resume: snapshot');
    if (!room.resumed) {
      this.unchecked = true;
      this.#lastSeq = room.snapshot?.offset ?? startOfStream;
    }
    this.#setJoined();
    return undefined;
  }

  #setJoined(): void {
    this.#joinedAt = nowMicros();
    this.state = 'in';
  }

  /** Sends a message to the room, which each of its members must receive once. */
  sendMessage(): void {
    if (this.journal.full) return;
    const { tally } = this.context;
    const number = this.journal.next();
    const at = nowMicros();
    tally.count('sent');
    this.#request('message', { data: { number, at, fill } satisfies Data & { fill: string } }, this.#address).then(
      () => {
        this.journal.acknowledge(number);
        tally.times.reply.record(nowMicros() - at);
      },
      (error: unknown) => tally.count(`message: ${codeOf(error)}`),
    );
  }

  async leave(): Promise<void> {
    const socket = this.#socket;
    if (!socket || this.state !== 'in') return;
    this.state = 'out';
    await new Promise<void>((resolve) => {
      const cut = setTimeout(() => socket.terminate(), deadlineMs);
      socket.once('close', () => {
        clearTimeout(cut);
        resolve();
      });
      socket.close(1000);
    });
  }

  async #connect(credentials: readonly string[]): Promise<void> {
    const socket = new WebSocket(new URL(signalPath, this.context.url), [subprotocol, ...credentials], {
      perMessageDeflate: false,
      handshakeTimeout: deadlineMs,
      ...(this.context.tls && { secureContext: this.context.tls }),
    });
    this.#socket = socket;
    socket.on('message', (raw) => this.#onMessage(JSON.parse((raw as Buffer).toString()) as ServerMessage));
    await new Promise<void>((resolve, reject) => {
      socket.once('unexpected-response', (request, response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('close', () => {
          request.destroy();
          reject(new Refused(`HTTP ${response.statusCode} ${/"code":"(\w+)"/.exec(body)?.[1] ?? ''}`));
        });
      });
      socket.on('error', (error: NodeJS.ErrnoException) => reject(new Refused(error.code ?? error.message)));
      socket.once('close', (code) => {
        reject(new Refused(`closed ${code}`));
        if (this.#socket === socket) this.#closed(code);
      });
      this.#onWelcome = ({ payload }) => {
        this.#resumeToken = (payload as { resumeToken?: string }).resumeToken ?? '';
        resolve();
      };
    });
  }

  /** The server closed the connection unexpectedly. */
  #closed(code: number): void {
    this.#rejectPending();
    if (this.state !== 'in') return;
    this.context.tally.count(`dropped: ${code}`);
    this.cutAndResume().catch((error: unknown) => {
      this.state = 'out';
      this.context.tally.count(`resume failed: ${codeOf(error)}`);
    });
  }

  #terminate(): void {
    const socket = this.#socket;
    this.#rejectPending();
    socket?.terminate();
  }

  #rejectPending(): void {
    this.#socket = undefined;
    for (const answer of this.#pending.values()) answer(new Refused('cut'));
  }

  async #request(type: string, payload: object, to?: string): Promise<unknown> {
    const id = `r${++this.#lastId}`;
    const message = await new Promise<ServerMessage | Refused>((resolve) => {
      const late = setTimeout(() => resolve(new Refused('no answer')), deadlineMs);
      this.#pending.set(id, (answer) => {
        clearTimeout(late);
        resolve(answer);
      });
      this.#socket?.send(JSON.stringify({ id, type, ...(to !== undefined && { to }), payload }));
    }).finally(() => this.#pending.delete(id));
    if (message instanceof Refused) throw message;
    if (message.ok !== true) throw new Refused(message.error?.code ?? 'unknown');
    return message.payload;
  }

  #onMessage(message: ServerMessage): void {
    if (message.replyTo !== undefined) return this.#pending.get(message.replyTo)?.(message);
    if (message.type === 'welcome') return this.#onWelcome?.(message);
    if (message.seq === undefined) return;
    if (compareOffsets(message.seq, this.#lastSeq) <= 0) this.outOfOrder++;
    else this.#lastSeq = message.seq;
    if (message.type === 'message') this.#received((message.payload as { data: Data }).data);
  }

  #received({ number, at }: Data): void {
    const { tally } = this.context;
    this.receipts.take(number);
    if (at < this.#joinedAt || this.state !== 'in') return tally.count('replayed');
    tally.count('delivered');
    tally.times.dispatch.record(nowMicros() - at);
  }
}

export const codeOf = (error: unknown): string => (error instanceof Refused ? error.code : String(error));
