// A worker thread that pushes numbered frames into a ring, or pops and checks them.
import { parentPort, workerData } from 'node:worker_threads';
import { RingConsumer, RingProducer } from '../src/ring/index.ts';
import { isNumberedFrame, numberedFrame, tagOf } from './numbered-frames.ts';

const { role, memory, count } = workerData as { role: string; memory: SharedArrayBuffer; count: number };

function produce(): void {
  const producer = new RingProducer(memory);
  for (let number = 0; number < count; number++) while (!producer.tryPush(numberedFrame(number), tagOf(number)));
  producer.close();
}

function consume(): number {
  const consumer = new RingConsumer(memory);
  let right = 0;
  while (!consumer.ended) {
    if (!consumer.wait(10_000)) throw new Error('no frame within 10 s');
    for (let frame = consumer.tryPop(); frame; frame = consumer.tryPop())
      if (isNumberedFrame(frame, consumer.tag, right)) right++;
      else throw new Error(`frame ${right} differs from the one sent`);
  }
  return right;
}

if (role === 'produce') produce();
else parentPort!.postMessage(consume(), []);
