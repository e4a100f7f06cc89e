import { setTimeout as pause } from 'node:timers/promises';
import type { Event } from '@flotilla/contracts';
import { LightPeer } from '@flotilla/light-peer';
import type { RestApi } from '@flotilla/testkit';

/** Each peer sends a message this often, half an interval after the other. */
const messageEveryMs = 50;
const muteEveryMs = 250;
/** A message that has not arrived by then is lost. */
const lostAfterMs = 5000;

/** What the pair measured. */
export interface PairFigures {
  /** Times from the call that sends a message to its arrival at the other peer, in ms. */
  readonly dispatch: readonly number[];
  /** Times from a `mute` request to its event at the other peer, in ms. */
  readonly mutes: readonly number[];
  /** Longest time without a packet of a video, in ms. */
  readonly longestGapMs: number;
  readonly sent: number;
  /** Messages and mutes that were answered with an error, by code. */
  readonly refused: ReadonlyMap<string, number>;
  /** Messages and mutes that did not arrive, though they were not refused. */
  readonly lost: number;
  /** Closed connections, removals from the room, and media that could not be reopened. */
  readonly disconnections: readonly string[];
}

/** Two participants of one call, each at a gateway of its own, who exchange media, messages and mutes. */
export class HonestPair {
  static readonly users = ['honest-0', 'honest-1'] as const;
  #dispatch: number[] = [];
  #mutes: number[] = [];
  #refused = new Map<string, number>();
  /** Times at which the messages that are under way were sent, by number. */
  readonly #sentAt = new Map<number, number>();
  #muted = false;
  /** The request whose event has not arrived. */
  #mute: { readonly muted: boolean; readonly at: number } | undefined;
  #lastMessage = 0;

  private constructor(
    private readonly peers: readonly [LightPeer, LightPeer],
    private readonly microphone: string,
  ) {
    for (const peer of peers) peer.onRoomEvent = (event) => this.#onEvent(peer, event);
  }

  static async join(api: RestApi, room: string, gatewayUrls: readonly string[]): Promise<HonestPair> {
    const join = async (index: 0 | 1): Promise<LightPeer> =>
      LightPeer.join({
        url: gatewayUrls[index % gatewayUrls.length]!,
        token: await api.issueToken(room, { userId: HonestPair.users[index] }),
        room,
        name: `honest-${index}`,
      });
    const peers = [await join(0), await join(1)] as const;
    const [microphone] = [...peers[0].published].find(([, kind]) => kind === 'audio')!;
    return new HonestPair(peers, microphone);
  }

  #onEvent(receiver: LightPeer, { type, from, payload }: Event): void {
    const now = performance.now();
    if (type === 'message' && from !== receiver.participantId) {
      const { number } = (payload['data'] ?? {}) as { number?: number };
      const sentAt = this.#sentAt.get(number ?? 0);
      // Others may send into this room, too.
      if (sentAt === undefined) return;
      this.#sentAt.delete(number!);
      this.#dispatch.push(now - sentAt);
    }
    if (type === 'publication_updated' && receiver === this.peers[1] && this.#mute) {
      const { publication } = payload as { publication: { id: string; muted: boolean } };
      if (publication.id !== this.microphone || publication.muted !== this.#mute.muted) return;
      this.#mutes.push(now - this.#mute.at);
      this.#muted = publication.muted;
      this.#mute = undefined;
    }
  }

  /** Sends for a time, and returns what was measured in it. */
  async measure(seconds: number): Promise<PairFigures> {
    const problems = (): string[] => this.peers.flatMap((peer) => peer.problems);
    const before = problems().length;
    [this.#dispatch, this.#mutes, this.#refused] = [[], [], new Map()];
    const first = this.#lastMessage;
    for (const peer of this.peers) peer.takeReceived();
    const timers = [setInterval(() => this.#message(this.peers[0]), messageEveryMs)];
    await pause(messageEveryMs / 2);
    timers.push(setInterval(() => this.#message(this.peers[1]), messageEveryMs));
    timers.push(setInterval(() => this.#toggleMute(), muteEveryMs));
    await pause(seconds * 1000);
    for (const timer of timers) clearInterval(timer);
    const gaps = this.peers.flatMap((peer) => peer.takeReceived()).filter(({ kind }) => kind === 'video');
    for (let waited = 0; (this.#sentAt.size > 0 || this.#mute) && waited < lostAfterMs; waited += 20) await pause(20);
    const lost = this.#sentAt.size + (this.#mute ? 1 : 0);
    this.#sentAt.clear();
    this.#mute = undefined;
    return {
      dispatch: this.#dispatch,
      mutes: this.#mutes,
      longestGapMs: Math.max(...gaps.map(({ longestGapMs }) => longestGapMs ?? Infinity)),
      sent: this.#lastMessage - first,
      refused: this.#refused,
      lost,
      disconnections: problems().slice(before),
    };
  }

  #message(peer: LightPeer): void {
    const number = ++this.#lastMessage;
    this.#sentAt.set(number, performance.now());
    peer.sendMessage({ number }).catch((error: unknown) => {
      this.#sentAt.delete(number);
      this.#countRefusal(error);
    });
  }

  #toggleMute(): void {
    if (this.#mute) return;
    const muted = !this.#muted;
    this.#mute = { muted, at: performance.now() };
    this.peers[0].mute(this.microphone, muted).catch((error: unknown) => {
      this.#mute = undefined;
      this.#countRefusal(error);
    });
  }

  #countRefusal(error: unknown): void {
    const code = (error as { code?: string }).code ?? 'no answer';
    this.#refused.set(code, (this.#refused.get(code) ?? 0) + 1);
  }

  close(): void {
    for (const peer of this.peers) peer.close();
  }
}
