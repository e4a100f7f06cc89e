import { createHash } from 'node:crypto';
import { read, Topology } from '@flotilla/contracts';
import { type Snapshot, SnapshotCache, type SnapshotCacheOptions } from '@flotilla/resilience';
import type { Logger } from '@flotilla/runtime';
import type { Store } from '@flotilla/store';
import { z } from 'zod';
import { topologyMermaid } from './mermaid.ts';

/** A digest of the schema: a version whose topology has another one reads, and leaves out, other things. */
export const topologyForm = createHash('sha256')
  .update(JSON.stringify(z.toJSONSchema(Topology, { io: 'input', unrepresentable: 'any' })))
  .digest('base64url')
  .slice(0, 12);

/** The topology as JSON and as Mermaid, from a snapshot that one registry at a time builds for all of its version. A client is an API key. */
export class TopologySnapshot {
  readonly #cache: SnapshotCache;
  #drawn: { readonly version: string; readonly mermaid: string } | undefined;

  constructor(
    store: Pick<Store, 'topology' | 'snapshots'>,
    log: Logger,
    times: NonNullable<SnapshotCacheOptions['times']> = {},
  ) {
    this.#cache = new SnapshotCache({
      name: 'topology',
      form: topologyForm,
      build: async () => JSON.stringify(await store.topology()),
      shared: store.snapshots,
      log,
      times,
    });
  }

  /** JSON of a Topology. @throws FlotillaError UNAVAILABLE */
  read(client: string): Promise<Snapshot> {
    return this.#cache.read(client);
  }

  /** @throws FlotillaError UNAVAILABLE */
  async mermaid(client: string): Promise<Snapshot> {
    const snapshot = await this.#cache.read(client);
    if (this.#drawn?.version !== snapshot.version) {
      const mermaid = topologyMermaid(read(Topology, JSON.parse(snapshot.text)));
      this.#drawn = { version: snapshot.version, mermaid };
    }
    return { ...snapshot, text: this.#drawn.mermaid };
  }

  /** The next read of the same client at this registry sees what was written until now. */
  changed(client: string): void {
    this.#cache.changed(client);
  }
}
