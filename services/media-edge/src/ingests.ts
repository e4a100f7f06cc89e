import { createBackend, type BackendOptions } from '@flotilla/backend';
import { base32Id } from './ids.ts';
import { FlotillaError } from '@flotilla/contracts';
import type { Logger } from '@flotilla/runtime';
import { Ingest, type IngestStatus } from './ingest.ts';
import { IngestError } from './ingest-error.ts';
import type { IngestRequest } from './ingest-request.ts';
import type { UdpPorts } from './rtp/udp-ports.ts';
import { parameterSetsOf } from './rtsp/sdp.ts';
import { RtpSource, type RtpMedium } from './sources/rtp-source.ts';
import { RtspSource } from './sources/rtsp-source.ts';
import { transcodingCure } from './track-feed.ts';

export interface IngestsOptions {
  readonly signalUrl: string;
  readonly registry: BackendOptions;
  readonly ports: UdpPorts;
  /** Address that senders send to. */
  readonly announcedAddress: string;
  readonly maxIngests: number;
  /** Of each stream. */
  readonly maxBitsPerSecond: number;
  readonly giveUpMs: number;
  readonly log: Logger;
}

/** An ingest as the REST API shows it. */
export interface IngestView extends IngestStatus {
  readonly id: string;
  readonly kind: 'rtp' | 'rtsp';
  /** As it was named in the request. */
  readonly room: string;
  readonly name: string;
  /** Of `rtsp`, without user name and password. */
  readonly url?: string;
  /** Of `rtp`: where to send. RTCP goes to the same port or to the next one. */
  readonly listen?: { readonly address: string; readonly video?: { port: number }; readonly audio?: { port: number } };
}

interface Entry {
  readonly ingest: Ingest;
  readonly fixed: Pick<IngestView, 'id' | 'kind' | 'room' | 'name' | 'url' | 'listen'>;
}

/** The ingests of this edge. They end with its process. */
export class Ingests {
  readonly #entries = new Map<string, Entry>();
  /** Ingests that are being created. */
  #pending = 0;

  constructor(private readonly options: IngestsOptions) {}

  /** Throws FlotillaError: OVERLOADED at the maximum, MEDIA_UNSUPPORTED, NO_CAPACITY without free ports, and those of a join token. */
  async create(room: string, request: IngestRequest): Promise<IngestView> {
    const { maxIngests, log, giveUpMs, signalUrl } = this.options;
    if (this.#entries.size + this.#pending >= maxIngests)
      throw new FlotillaError('OVERLOADED', `this edge has ${maxIngests} ingests, its maximum (FLOTILLA_EDGE_INGESTS)`);
    this.#pending++;
    try {
      const id = base32Id('in_');
      const token = this.#tokens(room, id, request.name);
      // A room that does not exist is the caller's to know at once.
      const first = await token();
      let firstUse: string | undefined = first;
      const { open, urlShown } = this.#opener(request);
      const ingest = await Ingest.begin(
        { id, kind: request.kind, room, name: request.name, open, reopensSilent: request.kind === 'rtsp' },
        {
          signalUrl,
          token: async () => {
            const issued = firstUse ?? (await token());
            firstUse = undefined;
            return issued;
          },
          giveUpMs,
          log: log.child({ ingest: id, room }),
        },
      );
      const listen = this.#listenOf(ingest);
      const fixed = {
        id,
        kind: request.kind,
        room,
        name: request.name,
        ...(urlShown !== undefined && { url: urlShown }),
        ...(listen && { listen }),
      };
      this.#entries.set(id, { ingest, fixed });
      log.info({ ingest: id, kind: request.kind, room }, 'ingest created');
      return { ...fixed, ...ingest.status };
    } catch (error) {
      if (error instanceof IngestError)
        throw new FlotillaError(error.code === 'NO_PORTS' ? 'NO_CAPACITY' : 'MEDIA_UNSUPPORTED', error.message, {
          cause: error,
        });
      throw error;
    } finally {
      this.#pending--;
    }
  }

  /** Issues join tokens of one user, who may publish and nothing else. */
  #tokens(room: string, id: string, name: string): () => Promise<string> {
    const registry = createBackend(this.options.registry);
    return async () => {
      const { token } = await registry.issueToken({ room, name, userId: `ingest-${id}`, grants: ['publish'] });
      return token;
    };
  }

  #opener(request: IngestRequest): { open: Parameters<typeof Ingest.begin>[0]['open']; urlShown?: string } {
    const { ports, maxBitsPerSecond } = this.options;
    if (request.kind === 'rtsp') {
      const url = new URL(request.url);
      const credentials = { user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
      [url.username, url.password] = ['', ''];
      const options = { url, credentials, transport: request.transport, ports, maxBitsPerSecond };
      return { open: (handlers) => RtspSource.open(options, handlers), urlShown: url.href };
    }
    const { video, audio, from } = request.listen;
    if (video?.codec === 'H265')
      throw new IngestError(
        'CODEC_UNSUPPORTED',
        `H.265 is not passed on: browsers cannot decode it. Send H.264, or ${transcodingCure}`,
      );
    const media: RtpMedium[] = [];
    if (video) {
      const { codec, payloadType, rtcpPort, parameterSets } = video;
      const sets = parameterSets === undefined ? [] : parameterSetsOf(parameterSets);
      media.push({ kind: 'video', codec, payloadType, rtcpPort, parameterSets: sets });
    }
    if (audio) {
      const { codec, payloadType, rtcpPort } = audio;
      media.push({ kind: 'audio', codec, payloadType, rtcpPort, parameterSets: [] });
    }
    return { open: (handlers) => RtpSource.open(ports, { media, from, maxBitsPerSecond }, handlers) };
  }

  #listenOf({ source }: Ingest): IngestView['listen'] {
    if (!(source instanceof RtpSource)) return undefined;
    const { video, audio } = source.ports;
    return {
      address: this.options.announcedAddress,
      ...(video !== undefined && { video: { port: video } }),
      ...(audio !== undefined && { audio: { port: audio } }),
    };
  }

  list(room: string): IngestView[] {
    return [...this.#entries.values()].filter(({ fixed }) => fixed.room === room).map(viewOf);
  }

  /** Throws FlotillaError NOT_FOUND. */
  get(room: string, id: string): IngestView {
    return viewOf(this.#entry(room, id));
  }

  /** Ends an ingest: its participant leaves. Throws FlotillaError NOT_FOUND. */
  delete(room: string, id: string): void {
    this.#entry(room, id).ingest.close();
    this.#entries.delete(id);
    this.options.log.info({ ingest: id, room }, 'ingest deleted');
  }

  #entry(room: string, id: string): Entry {
    const entry = this.#entries.get(id);
    if (!entry || entry.fixed.room !== room) throw new FlotillaError('NOT_FOUND', `no ingest ${id} in this room`);
    return entry;
  }

  close(): void {
    for (const { ingest } of this.#entries.values()) ingest.close();
    this.#entries.clear();
  }
}

const viewOf = ({ ingest, fixed }: Entry): IngestView => ({ ...fixed, ...ingest.status });
