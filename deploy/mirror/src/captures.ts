import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Exchange } from '@flotilla/contracts';

/** Counts of what was read of the captures of one side. */
export interface Read {
  exchanges: number;
  /** Lines that are no exchange, such as the last one of a process that was killed. */
  damaged: number;
}

/** The exchanges of files, in their order. */
export async function* exchangesOf(paths: readonly string[], read: Read): AsyncGenerator<Exchange> {
  for (const path of paths) {
    for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
      if (line === '') continue;
      const exchange = parsed(line);
      if (exchange) {
        read.exchanges += 1;
        yield exchange;
      } else {
        read.damaged += 1;
      }
    }
  }
}

function parsed(line: string): Exchange | undefined {
  try {
    return Exchange.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
