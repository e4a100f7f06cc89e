import { FlotillaError } from '@flotilla/contracts';
import type { MediaNode } from '@flotilla/media';
import type { Logger } from '@flotilla/runtime';

/** Time for the answer to leave before the node is killed, in milliseconds. */
const answerMs = 100;

/** Kills this node or its media workers on request, as a crash would: by SIGKILL, without clean-up. */
export class Drills {
  constructor(
    private readonly media: MediaNode,
    private readonly settings: {
      readonly allowed: boolean;
      /** No other service runs in this process. */
      readonly ownProcess: boolean;
    },
    private readonly log: Logger,
  ) {}

  /** Kills a media worker; the most loaded one by default. Throws DRILL_REFUSED, NOT_FOUND. */
  killWorker(index?: number): number {
    this.#requireAllowed();
    const killed = this.media.killWorker(index);
    this.log.warn({ worker: killed }, 'media worker killed by a drill');
    return killed;
  }

  /** Kills the node and its workers after `answerMs`. Throws DRILL_REFUSED. */
  killNode(): void {
    this.#requireAllowed();
    if (!this.settings.ownProcess)
      throw new FlotillaError(
        'DRILL_REFUSED',
        'this node shares its process with other services. Run it as a process of its own, such as with `npm run fleet`.',
      );
    this.log.warn('node killed by a drill');
    setTimeout(() => {
      this.media.killWorkers();
      process.kill(process.pid, 'SIGKILL');
    }, answerMs);
  }

  #requireAllowed(): void {
    if (this.settings.allowed) return;
    throw new FlotillaError(
      'DRILL_REFUSED',
      'drills are turned off on this node. Set FLOTILLA_DRILLS=true to turn them on.',
    );
  }
}
