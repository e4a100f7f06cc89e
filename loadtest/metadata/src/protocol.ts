import type { DtlsParameters, MetadataSession } from '@flotilla/contracts';

/** The server that a client process connects to. */
export type Target =
  | { readonly kind: 'gateway'; readonly url: string; readonly room: string; readonly exceptRelay: string }
  | { readonly kind: 'bare'; readonly room: string };

/** Commands to a client process. */
export type Command =
  | {
      readonly type: 'connect';
      readonly target: Target;
      readonly role: 'publisher' | 'subscriber';
      /** One join token per client. The bare target uses only their number. */
      readonly tokens: readonly string[];
    }
  | { readonly type: 'send'; readonly perSecond: number; readonly bytes: number; readonly seconds: number }
  | { readonly type: 'result' }
  | { readonly type: 'transport'; readonly id: number; readonly session: MetadataSession };

/** Messages from a client process. `latencies` are in ms, from the publisher's call to the subscriber's callback. */
export type Message =
  | { readonly type: 'connected' }
  | { readonly type: 'sent'; readonly count: number }
  | { readonly type: 'result'; readonly received: number; readonly latencies: readonly number[] }
  | {
      readonly type: 'connect';
      readonly id: number;
      readonly role: string;
      readonly room: string;
      readonly dtlsParameters: DtlsParameters;
    }
  | { readonly type: 'failed'; readonly reason: string };

export const topic = 'load';

/** Monotonic time in microseconds, with the same epoch in all processes of the machine. */
export const machineMicros = (): number => Number(process.hrtime.bigint() / 1000n);
