import type { DtlsParameters, MetadataSession } from '@flotilla/contracts';

/** Where a client process finds what it connects to. */
export type Target =
  | { readonly kind: 'gateway'; readonly url: string; readonly room: string; readonly exceptRelay: string }
  | { readonly kind: 'bare' };

/** What a client process is told to do. */
export type Order =
  | {
      readonly do: 'connect';
      readonly target: Target;
      readonly role: 'publisher' | 'subscriber';
      /** One for each client; only as many as that where the target is bare. */
      readonly tokens: readonly string[];
    }
  | { readonly do: 'send'; readonly perSecond: number; readonly bytes: number; readonly seconds: number }
  | { readonly do: 'result' }
  | { readonly do: 'transport'; readonly id: number; readonly session: MetadataSession };

/** What it says. `latencies` are ms from the publisher's call to the subscriber's callback. */
export type Word =
  | { readonly say: 'connected' }
  | { readonly say: 'sent'; readonly count: number }
  | { readonly say: 'result'; readonly received: number; readonly latencies: readonly number[] }
  | { readonly say: 'connect'; readonly id: number; readonly role: string; readonly dtlsParameters: DtlsParameters }
  | { readonly say: 'failed'; readonly why: string };

export const topic = 'load';

/** The machine's monotonic clock, the same in all processes; microseconds. */
export const machineMicros = (): number => Number(process.hrtime.bigint() / 1000n);
