import type { PeerQuality } from '@flotilla/contracts';
import type { Router, Transport } from 'mediasoup/types';
import { PeerMeter } from './peer-meter.ts';
import { type PublishedStream, type Traffic, TransportGroup } from './transport-group.ts';

/** Number of peers that are measured at a time: between their requests the worker forwards packets. */
const parallelPeers = 8;

/** The owner of a client's transport, as its `appData`. */
export interface TransportOwner {
  readonly sessionId: string;
  readonly participantId: string;
}

/** `appData` of a pipe to or from another node. What crosses between the routers of this node has none, and is no traffic of the node. */
export interface PipeToOtherNode {
  readonly isToOtherNode: true;
}

interface Entry {
  readonly sessionId: string | undefined;
  readonly transports: TransportGroup;
  readonly meter: PeerMeter | undefined;
}

export interface RoomSample extends Traffic {
  readonly peers: readonly PeerQuality[];
}

/**
 * Measures the peers and pipes of one router of a room. The router reports new transports; those of a peer carry its TransportOwner
 * as `appData`. A peer that opens new transports before its old ones are closed keeps its history.
 */
export class RoomMeter {
  readonly #entries = new Map<string, Entry>();

  constructor(
    private readonly roomId: string,
    router: Router,
    /** Called with what a session publishes whenever it was measured. */
    private readonly onMeasured: (sessionId: string, streams: readonly PublishedStream[]) => void = () => undefined,
  ) {
    router.observer.on('newtransport', (transport) => this.#add(transport));
  }

  #add(transport: Transport): void {
    const owner = transport.appData as Partial<TransportOwner & PipeToOtherNode>;
    if (owner.sessionId === undefined && !owner.isToOtherNode) return;
    const key = owner.sessionId ?? transport.id;
    let entry = this.#entries.get(key);
    if (!entry) {
      const { sessionId, participantId } = owner;
      entry = {
        sessionId,
        transports: new TransportGroup(() => this.#entries.delete(key)),
        meter:
          sessionId !== undefined && participantId !== undefined
            ? new PeerMeter({ sessionId, participantId, roomId: this.roomId })
            : undefined,
      };
      this.#entries.set(key, entry);
    }
    entry.transports.add(transport);
  }

  /** Measures the time since the last call. Peers that are closed meanwhile are left out. */
  async sample(): Promise<RoomSample> {
    const peers: PeerQuality[] = [];
    let packetsPerSecond = 0;
    let bitsPerSecond = 0;
    const entries = [...this.#entries.values()].values();
    const measure = async (): Promise<void> => {
      for (const { sessionId, transports, meter } of entries) {
        const measured = await transports.measure().catch(() => undefined);
        if (!measured) continue;
        packetsPerSecond += measured.traffic.packetsPerSecond;
        bitsPerSecond += measured.traffic.bitsPerSecond;
        if (meter) peers.push(meter.add(measured.window));
        if (sessionId !== undefined) this.onMeasured(sessionId, transports.published());
      }
    };
    await Promise.all(Array.from({ length: parallelPeers }, measure));
    return { peers, packetsPerSecond, bitsPerSecond };
  }
}
