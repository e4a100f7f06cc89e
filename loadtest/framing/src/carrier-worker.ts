// The worker thread: counts frames or echoes them, depending on the command.
import { parentPort, workerData } from 'node:worker_threads';
import { RingConsumer, RingProducer } from '@flotilla/data-channel/ring';
import type { Command, WorkerData } from './carriers.ts';

const port = parentPort!;
const { kind, to, from } = workerData as WorkerData;
const post = (text: string) => port.postMessage(text, []);

function overRing(consumer: RingConsumer, producer: RingProducer): void {
  const forEach = (count: number, take: (frame: Uint8Array) => void) => {
    for (let left = count; left > 0;) {
      const frame = consumer.tryPop();
      if (!frame) {
        if (!consumer.wait(30_000)) throw new Error('no frame within 30 s');
        continue;
      }
      take(frame);
      left--;
    }
  };
  port.on('message', ({ count, echo }: Command) => {
    let bytes = 0;
    if (count) forEach(count, (frame) => (bytes += frame.length));
    post(`${bytes} bytes`);
    if (echo) forEach(echo, (frame) => void producer.tryPush(frame));
  });
}

function overMessages(): void {
  let [counting, echoing, bytes] = [0, 0, 0];
  port.on('message', (message: Command | Uint8Array) => {
    if (!(message instanceof Uint8Array)) {
      [counting, echoing, bytes] = [message.count ?? 0, message.echo ?? 0, 0];
      if (echoing) post('ready');
    } else if (counting > 0) {
      bytes += message.length;
      if (--counting === 0) post(`${bytes} bytes`);
    } else if (echoing-- > 0) port.postMessage(message, [message.buffer as ArrayBuffer]);
  });
}

if (kind === 'ring') overRing(new RingConsumer(to!), new RingProducer(from!));
else overMessages();
post('ready');
