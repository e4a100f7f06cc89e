import { createSecureContext, type SecureContext } from 'node:tls';
import type { TokenIssuer } from '@flotilla/auth';
import {
  compareOffsets,
  defaultGrants,
  maxTokenSeconds,
  resumeSubprotocolPrefix,
  signalPath,
  startOfStream,
  subprotocol,
  tokenSubprotocolPrefix,
} from '@flotilla/contracts';
import { WebSocket } from 'ws';
import { Receipts, type RoomJournal } from './receipts.ts';
import type { Tally } from './tally.ts';

const deadlineMs = 15_000;

/** A clock that all processes of a machine share, in microseconds. */
export const nowMicros = (): number => Math.round(Number(process.hrtime.bigint()) / 1000);

/** What the sessions of one process and side share. */
export interface Scene {
  readonly url: string;
  readonly tls: SecureContext | undefined;
  readonly tally: Tally;
  /** Absent on the bare side, which lets everybody in. */
  readonly issuer: TokenIssuer | undefined;
}

export const trusting = (ca: string | undefined): SecureContext | undefined =>
  ca === undefined ? undefined : createSecureContext({ ca });

/** A failure that the server named, or the network. */
class Refused extends Error {
  override readonly name = 'Refused';

  constructor(readonly code: string) {
    super(`refused with ${code}`);
  }
}

interface Said {
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

/** Fills a message to the size of a short line of chat. */
const fill = 'x'.repeat(64);

/** One session, in one room. It sends, receives, loses its connection and comes back. */
export class Member {
  state: 'out' | 'moving' | 'in' = 'out';
  receipts = new Receipts();
  /** It began anew, so what it should have got is not known. */
  unchecked = false;
  outOfOrder = 0;
  #socket: WebSocket | undefined;
  #address = '';
  #lastSeq = startOfStream;
  #resumeToken = '';
  /** When it was last let in: what was sent before arrives late because it was away. */
  #since = 0;
  #lastId = 0;
  readonly #awaited = new Map<string, (said: Said | Refused) => void>();
  #onWelcome: ((said: Said) => void) | undefined;

  constructor(
    private readonly scene: Scene,
    private readonly userId: string,
    private readonly room: string,
    readonly journal: RoomJournal,
  ) {}

  /** Requests without an answer yet. */
  get underWay(): number {
    return this.#awaited.size;
  }

  /** Connects with a new token and joins. Throws Refused. */
  async enter(): Promise<void> {
    this.state = 'moving';
    const { issuer, tally } = this.scene;
    const token = await issuer?.issue({
      userId: this.userId,
      room: this.room,
      grants: defaultGrants,
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
    this.#isIn();
  }

  /** The network goes away and the client comes back: with what it saw last, or anew where there is nothing to resume. */
  async cutAndReturn(): Promise<void> {
    this.state = 'moving';
    const began = nowMicros();
    this.#hangUp();
    const { tally, issuer } = this.scene;
    const failure = issuer ? await this.#resume().catch(codeOf) : 'rejoined';
    if (failure !== undefined) {
      tally.count(`resume: ${failure}`);
      this.unchecked = true;
      this.#hangUp();
      await this.enter();
    }
    tally.times.resume.record(nowMicros() - began);
  }

  /** Resolves to what went wrong, if anything did. */
  async #resume(): Promise<string | undefined> {
    await this.#connect([resumeSubprotocolPrefix + this.#resumeToken]);
    const { rooms } = (await this.#request('resume', { offsets: { [this.#address]: this.#lastSeq } })) as {
      rooms: readonly { resumed: boolean; snapshot?: { offset: string } }[];
    };
    const [room] = rooms;
    if (!room) return 'out of the room';
    this.scene.tally.count(room.resumed ? 'resume: complete' : 'resume: snapshot');
    if (!room.resumed) {
      this.unchecked = true;
      this.#lastSeq = room.snapshot?.offset ?? startOfStream;
    }
    this.#isIn();
    return undefined;
  }

  #isIn(): void {
    this.#since = nowMicros();
    this.state = 'in';
  }

  /** Says something to the room, which everybody in it should hear once. */
  say(): void {
    if (this.journal.full) return;
    const { tally } = this.scene;
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
    const socket = new WebSocket(new URL(signalPath, this.scene.url), [subprotocol, ...credentials], {
      perMessageDeflate: false,
      handshakeTimeout: deadlineMs,
      ...(this.scene.tls && { secureContext: this.scene.tls }),
    });
    this.#socket = socket;
    socket.on('message', (raw) => this.#take(JSON.parse((raw as Buffer).toString()) as Said));
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

  /** The server hung up, which no part of the plan asked for. */
  #closed(code: number): void {
    this.#abandon();
    if (this.state !== 'in') return;
    this.scene.tally.count(`dropped: ${code}`);
    this.cutAndReturn().catch((error: unknown) => {
      this.state = 'out';
      this.scene.tally.count(`gone: ${codeOf(error)}`);
    });
  }

  #hangUp(): void {
    const socket = this.#socket;
    this.#abandon();
    socket?.terminate();
  }

  #abandon(): void {
    this.#socket = undefined;
    for (const answer of this.#awaited.values()) answer(new Refused('cut'));
  }

  async #request(type: string, payload: object, to?: string): Promise<unknown> {
    const id = `r${++this.#lastId}`;
    const said = await new Promise<Said | Refused>((resolve) => {
      const late = setTimeout(() => resolve(new Refused('no answer')), deadlineMs);
      this.#awaited.set(id, (answer) => {
        clearTimeout(late);
        resolve(answer);
      });
      this.#socket?.send(JSON.stringify({ id, type, ...(to !== undefined && { to }), payload }));
    }).finally(() => this.#awaited.delete(id));
    if (said instanceof Refused) throw said;
    if (said.ok !== true) throw new Refused(said.error?.code ?? 'unknown');
    return said.payload;
  }

  #take(said: Said): void {
    if (said.replyTo !== undefined) return this.#awaited.get(said.replyTo)?.(said);
    if (said.type === 'welcome') return this.#onWelcome?.(said);
    if (said.seq === undefined) return;
    if (compareOffsets(said.seq, this.#lastSeq) <= 0) this.outOfOrder++;
    else this.#lastSeq = said.seq;
    if (said.type === 'message') this.#received((said.payload as { data: Data }).data);
  }

  #received({ number, at }: Data): void {
    const { tally } = this.scene;
    this.receipts.take(number);
    if (at < this.#since || this.state !== 'in') return tally.count('replayed');
    tally.count('delivered');
    tally.times.dispatch.record(nowMicros() - at);
  }
}

export const codeOf = (error: unknown): string => (error instanceof Refused ? error.code : String(error));
