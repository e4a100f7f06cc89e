import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Child } from './child.ts';

/** A private Redis or RabbitMQ server. */
export class Broker {
  #process: Child;

  constructor(
    readonly url: string,
    process: Child,
    private readonly launch: () => Promise<Child>,
    private readonly cleanUp: () => Promise<void>,
    private readonly stopSignal: 'SIGTERM' | 'SIGKILL',
  ) {
    this.#process = process;
  }

  static async start(
    url: string,
    launch: () => Promise<Child>,
    cleanUp: () => Promise<void>,
    stopSignal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM',
  ): Promise<Broker> {
    return new Broker(url, await launch(), launch, cleanUp, stopSignal);
  }

  get process(): Child {
    return this.#process;
  }

  /** Stops it gracefully; its data on disk stays. */
  async halt(): Promise<void> {
    await this.#process.stop('SIGTERM', 30_000);
  }

  /** Starts it again at the same address with the same data. */
  async resume(): Promise<void> {
    this.#process = await this.launch();
  }

  /** Stops it and deletes its data. */
  async stop(): Promise<void> {
    await this.#process.stop(this.stopSignal);
    await this.cleanUp();
  }
}

/** Removed at the latest when this process exits: its children have been killed by then. */
const dataDirectories = new Set<string>();
process.on('exit', () => dataDirectories.forEach(removeData));

export function dataDirectory(prefix: string): string {
  const dir = mkdtempSync(join(tmpdir(), prefix));
  dataDirectories.add(dir);
  return dir;
}

export function removeData(dir: string): void {
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  dataDirectories.delete(dir);
}
