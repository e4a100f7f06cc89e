import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { notYet, waitFor } from '@flotilla/testkit';
import { expect } from 'vitest';
import type { TestEdge } from './edge.ts';

export interface TrackView {
  readonly publicationId: string;
  readonly participantId: string;
  readonly kind: 'audio' | 'video';
  readonly codec: string;
  readonly state: string;
  readonly files: readonly string[];
  readonly bytes: number;
  readonly durationMs: number;
}
export interface RecordingView {
  readonly id: string;
  readonly roomId: string;
  readonly state: string;
  readonly durationMs: number;
  readonly bytes: number;
  readonly participantId: string;
  readonly nodeId: string;
  readonly tracks: readonly TrackView[];
  readonly leftOut: readonly { readonly publicationId: string; readonly code: string }[];
  readonly lastError?: { readonly code: string; readonly message: string };
}

export interface PartOfManifest {
  readonly file: string;
  readonly state: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly clock: string;
  readonly frames: number;
  readonly bytes: number;
  readonly sha256: string;
  readonly gaps: readonly { readonly fromMs: number; readonly toMs: number; readonly reason: string }[];
}
export interface Manifest {
  readonly state: string;
  readonly tracks: readonly (Pick<TrackView, 'publicationId' | 'participantId' | 'kind'> & {
    readonly parts: readonly PartOfManifest[];
  })[];
}

/** The recordings of one room, by the REST API of an edge and in its folder. */
export class RecordingClient {
  readonly path: string;

  constructor(
    private readonly edge: TestEdge,
    room: string,
  ) {
    this.path = `/v1/rooms/${room}/recordings`;
  }

  async start(): Promise<string> {
    const { status, body } = await this.edge.api.request('POST', this.path);
    expect({ status, body }).toMatchObject({ status: 201 });
    return (body as RecordingView).id;
  }

  async get(id: string): Promise<RecordingView> {
    return (await this.edge.api.request('GET', `${this.path}/${id}`)).body as RecordingView;
  }

  /** Waits until the REST API shows a recording like that. */
  shows(id: string, what: string, check: (view: RecordingView) => boolean, timeoutMs = 30_000): Promise<RecordingView> {
    return waitFor(
      what,
      async () => {
        const view = await this.get(id);
        return check(view) ? view : notYet(JSON.stringify(view));
      },
      { timeoutMs },
    );
  }

  /** Waits until all tracks, or those of a participant, are longer by this much than now. */
  async grows(id: string, byMs: number, of?: string): Promise<RecordingView> {
    const { tracks: before } = await this.get(id);
    const lengthOf = (publicationId: string): number =>
      before.find((track) => track.publicationId === publicationId)?.durationMs ?? 0;
    return this.shows(id, `the tracks continue for ${byMs} ms`, ({ tracks }) =>
      tracks
        .filter(({ participantId }) => of === undefined || participantId === of)
        .every(({ publicationId, durationMs }) => durationMs > lengthOf(publicationId) + byMs),
    );
  }

  async stop(id: string): Promise<RecordingView> {
    const { status, body } = await this.edge.api.request('DELETE', `${this.path}/${id}`);
    expect({ status, body }).toMatchObject({ status: 200, body: { state: 'complete' } });
    return body as RecordingView;
  }

  fileOf(id: string, name: string): string {
    return join(this.edge.recordings, id, name);
  }

  manifestOf(id: string): Manifest {
    return JSON.parse(readFileSync(this.fileOf(id, 'manifest.json'), 'utf8')) as Manifest;
  }
}
