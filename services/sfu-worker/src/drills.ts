import { FlotillaError } from '@flotilla/contracts';
import type { MediaNode } from '@flotilla/media';
import type { Logger } from '@flotilla/runtime';

/** Until a node that is to die has answered, in milliseconds. */
const lastWordsMs = 100;

/** Failures of this node that are asked for. They are real: SIGKILL gives nobody a chance to tidy up. */
export class Drills {
  constructor(
    private readonly media: MediaNode,
    private readonly settings: {
      readonly allowed: boolean;
      /** The process is the node's alone. */
      readonly ownProcess: boolean;
    },
    private readonly log: Logger,
  ) {}

  /** Kills a media worker, the one with the most to do unless told which. Throws DRILL_REFUSED, NOT_FOUND. */
  killWorker(index?: number): number {
    this.#require();
    const killed = this.media.killWorker(index);
    this.log.warn({ worker: killed }, 'a drill killed a media worker');
    return killed;
  }

  /** Kills the node and its workers a moment later. Throws DRILL_REFUSED. */
  killNode(): void {
    this.#require();
    if (!this.settings.ownProcess)
      throw new FlotillaError(
        'DRILL_REFUSED',
        'this node shares its process with every other service: run them as processes of their own (`npm run fleet`)',
      );
    this.log.warn('a drill kills this node');
    setTimeout(() => {
      for (const pid of [...this.media.workerPids, process.pid]) process.kill(pid, 'SIGKILL');
    }, lastWordsMs);
  }

  #require(): void {
    if (this.settings.allowed) return;
    throw new FlotillaError(
      'DRILL_REFUSED',
      'drills that kill are turned off on this node: it has no FLOTILLA_DRILLS=true',
    );
  }
}
