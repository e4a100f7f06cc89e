import { once } from 'node:events';
import { type MessagePort, Worker } from 'node:worker_threads';
import { createRing, RingConsumer, RingProducer } from '@flotilla/data-channel/ring';
import type { Options } from './options.ts';
import { Samples } from './samples.ts';

/** Frames per burst. The worker acknowledges each burst, which bounds the queues. */
const burst = 500;
const deadlineMs = 30_000;

/** Initial data of the worker thread. */
export interface WorkerData {
  readonly kind: 'ring' | 'postMessage';
  readonly to?: SharedArrayBuffer;
  readonly from?: SharedArrayBuffer;
}

/** A command for the worker: count a number of frames and acknowledge them, or echo a number of frames one by one. */
export interface Command {
  readonly count?: number;
  readonly echo?: number;
}

/** A transport of frames to a worker thread and back. */
interface Carrier {
  readonly name: string;
  readonly worker: Worker;
  readonly send: (frame: Uint8Array) => void;
  /** The next echoed frame. */
  readonly receive: () => Promise<Uint8Array>;
}

const workerOf = (workerData: WorkerData) => new Worker(new URL('carrier-worker.js', import.meta.url), { workerData });

function ringCarrier(capacity: number, longest: number): Carrier {
  const [to, from] = [createRing(capacity, longest), createRing(capacity, longest)];
  const [producer, consumer] = [new RingProducer(to), new RingConsumer(from)];
  return {
    name: 'ring',
    worker: workerOf({ kind: 'ring', to, from }),
    send: (frame) => {
      if (!producer.tryPush(frame)) throw new Error('the ring is full');
    },
    receive: async () => {
      if (!(await consumer.waitAsync(deadlineMs))) throw new Error(`no frame came back within ${deadlineMs} ms`);
      return consumer.tryPop()!;
    },
  };
}

function messageCarrier(
  name: string,
  post: (port: Pick<MessagePort, 'postMessage'>, frame: Uint8Array) => void,
): Carrier {
  const worker = workerOf({ kind: 'postMessage' });
  return {
    name,
    worker,
    send: (frame) => post(worker, frame),
    receive: () => new Promise((resolve) => worker.once('message', resolve)),
  };
}

const carriers = (longest: number): Carrier[] => [
  ringCarrier(2 ** Math.ceil(Math.log2(2 * burst * (longest + 16))), longest),
  messageCarrier('postMessage', (port, frame) => port.postMessage(frame, [])),
  // A transferred buffer is detached, so each frame needs a copy.
  messageCarrier('postMessage, transferred', (port, frame) => {
    const copy = frame.slice();
    port.postMessage(copy, [copy.buffer]);
  }),
];

/** Frames per second from this thread to the worker. */
async function throughput({ worker, send }: Carrier, frame: Uint8Array, frames: number): Promise<number> {
  const began = performance.now();
  for (let sent = 0; sent < frames; sent += burst) {
    const counted = once(worker, 'message');
    worker.postMessage({ count: burst } satisfies Command, []);
    for (let at = 0; at < burst; at++) send(frame);
    await counted;
  }
  return (Math.ceil(frames / burst) * burst) / ((performance.now() - began) / 1000);
}

/** Sends one frame at a time to the worker and back. */
async function roundTrips({ worker, send, receive }: Carrier, frame: Uint8Array, times: number, samples: Samples) {
  const ready = once(worker, 'message');
  worker.postMessage({ echo: times } satisfies Command, []);
  await ready;
  for (let time = 0; time < times; time++) {
    const began = performance.now();
    const back = receive();
    send(frame);
    if ((await back).length !== frame.length) throw new Error('a frame came back with another length');
    samples.add((performance.now() - began) * 1000);
  }
}

/** Measures all carriers, alternating. Frames per second are the median of the rounds; round trips are in microseconds. */
export async function compareCarriers({ bytes, rounds, frames }: Options) {
  const frame = new Uint8Array(bytes).fill(1);
  const sides = carriers(bytes).map((carrier) => ({ carrier, rates: [] as number[], trips: new Samples() }));
  try {
    await Promise.all(sides.map(({ carrier }) => once(carrier.worker, 'message')));
    for (const { carrier } of sides) {
      await throughput(carrier, frame, frames);
      await roundTrips(carrier, frame, 1000, new Samples());
    }
    for (let round = 0; round < rounds; round++) {
      for (const { carrier, rates, trips } of sides) {
        rates.push(await throughput(carrier, frame, frames));
        await roundTrips(carrier, frame, 1000, trips);
      }
    }
  } finally {
    await Promise.all(sides.map(({ carrier }) => carrier.worker.terminate()));
  }
  return sides.map(({ carrier, rates, trips }) => ({
    name: carrier.name,
    perSecond: rates.sort((a, b) => a - b)[Math.floor(rates.length / 2)]!,
    roundTrip: trips.percentiles(),
  }));
}
