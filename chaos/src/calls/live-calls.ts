import { setTimeout as pause } from 'node:timers/promises';
import { launchBrowser, notYet, type RestApi, uniqueName, waitFor } from '@flotilla/testkit';
import { BrowserParticipant } from './browser-participant.ts';
import { LightParticipant } from './light-participant.ts';
import type { Participant } from './participant.ts';

/** Where clients go. */
export interface ClientUrls {
  readonly pageUrl: string;
  readonly gatewayUrls: readonly string[];
  readonly api: RestApi;
}

export interface CallOptions {
  /** Call pages in Chromium instead of light peers. */
  readonly browser?: boolean;
  /** Default 2; 1 of call pages, which take more of the machine. */
  readonly rooms?: number;
  /** Default 2. */
  readonly participantsPerRoom?: number;
}

/** Time for which no participant may lack media, and the longest gap in it, before a run begins, ms. */
const steadyMs = 1000;

const names = ['Ada', 'Bob', 'Cyd', 'Dan', 'Eve', 'Fay', 'Gus', 'Hal'];

/** The calls that continue during an experiment. */
export class LiveCalls {
  private constructor(
    readonly participants: readonly Participant[],
    private readonly end: () => Promise<void>,
  ) {}

  /** Starts the calls. Resolves when everybody receives everybody of the same room. */
  static async start(urls: ClientUrls, options: CallOptions = {}): Promise<LiveCalls> {
    const { browser: inBrowser = false, rooms = inBrowser ? 1 : 2, participantsPerRoom = 2 } = options;
    const { api, pageUrl, gatewayUrls } = urls;
    const browser = inBrowser ? await launchBrowser() : undefined;
    const participants: Participant[] = [];
    const created: string[] = [];
    const calls = new LiveCalls(participants, async () => {
      await Promise.all(participants.map((each) => each.close()));
      await browser?.close();
      for (const room of created) await api.request('DELETE', `/v1/rooms/${room}`).catch(() => undefined);
    });
    try {
      for (let index = 0; index < rooms; index++) {
        const room = uniqueName('chaos');
        created.push(room);
        await api.createRoom({ name: room });
        const here = Array.from({ length: participantsPerRoom }, (_, at) => nameOf(index * participantsPerRoom + at));
        for (const name of here) {
          const others = here.filter((other) => other !== name);
          if (browser) participants.push(await BrowserParticipant.join(browser, pageUrl, { room, name, others }));
          else {
            const url = gatewayUrls[participants.length % gatewayUrls.length]!;
            const token = await api.issueToken(room);
            participants.push(await LightParticipant.join({ url, token, room, name }, others.length));
          }
        }
      }
      await calls.#flowing();
      return calls;
    } catch (error) {
      await calls.close();
      throw error;
    }
  }

  async #flowing(): Promise<void> {
    await waitFor(
      'everybody receives everybody',
      async () => {
        for (const participant of this.participants) await participant.take();
        await pause(steadyMs);
        for (const participant of this.participants) {
          const { gapMs } = await participant.take();
          if (gapMs > steadyMs) notYet(`${participant.name} lacks media for ${Math.round(gapMs)} ms`);
        }
      },
      { timeoutMs: 40_000 },
    );
  }

  close(): Promise<void> {
    return this.end();
  }
}

const nameOf = (index: number): string => names[index] ?? `Peer-${index + 1}`;
