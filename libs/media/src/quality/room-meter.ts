import type { PeerQuality } from '@flotilla/contracts';
import type { Router, Transport } from 'mediasoup/types';
import { PeerMeter } from './peer-meter.ts';
import { type Traffic, Watched } from './watched.ts';

/** How many peers are looked at at once: the worker forwards packets between their requests. */
const lanes = 8;

/** Whose transport it is; those of pipes have none. */
export interface TransportOwner {
  readonly sessionId: string;
  readonly participantId: string;
}

interface Entry {
  readonly watched: Watched;
  readonly meter: PeerMeter | undefined;
}

export interface RoomSample extends Traffic {
  readonly peers: readonly PeerQuality[];
}

/**
 * Measures a room's peers and pipes on this node. It learns of transports from the router itself; a peer's carry its
 * TransportOwner as `appData`. A peer that opens new transports while it has the old ones keeps its history.
 */
export class RoomMeter {
  readonly #entries = new Map<string, Entry>();

  constructor(
    private readonly roomId: string,
    router: Router,
  ) {
    router.observer.on('newtransport', (transport) => this.#watch(transport));
  }

  #watch(transport: Transport): void {
    const owner = transport.appData as Partial<TransportOwner>;
    const key = owner.sessionId ?? transport.id;
    let entry = this.#entries.get(key);
    if (!entry) {
      const { sessionId, participantId } = owner;
      entry = {
        watched: new Watched(() => this.#entries.delete(key)),
        meter:
          sessionId !== undefined && participantId !== undefined
            ? new PeerMeter({ sessionId, participantId, roomId: this.roomId })
            : undefined,
      };
      this.#entries.set(key, entry);
    }
    entry.watched.add(transport);
  }

  /** What happened since the last call. Peers that are closed meanwhile are left out. */
  async sample(): Promise<RoomSample> {
    const peers: PeerQuality[] = [];
    let packetsPerSecond = 0;
    let bitsPerSecond = 0;
    const waiting = [...this.#entries.values()].values();
    const lane = async (): Promise<void> => {
      for (const { watched, meter } of waiting) {
        const look = await watched.look().catch(() => undefined);
        if (!look) continue;
        packetsPerSecond += look.traffic.packetsPerSecond;
        bitsPerSecond += look.traffic.bitsPerSecond;
        if (meter) peers.push(meter.add(look.window));
      }
    };
    await Promise.all(Array.from({ length: lanes }, lane));
    return { peers, packetsPerSecond, bitsPerSecond };
  }
}
