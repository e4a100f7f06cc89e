import { createLogger } from '@flotilla/runtime';
import { expect, onTestFinished, test } from 'vitest';
import { WorkerPool } from '../src/worker-pool.ts';

test('a client gets a candidate for each address that a node announces, and for those that are announced as they are', async () => {
  const pool = await WorkerPool.start({
    workers: 1,
    listen: {
      ips: ['127.0.0.1', '::1', '127.0.0.2'],
      announced: ['203.0.113.1', '2001:db8::1', undefined],
      portBase: 0,
    },
    log: createLogger({ service: 'test', level: 'fatal' }),
    onDied: () => undefined,
  });
  onTestFinished(() => pool.close());
  const [{ worker, webRtcServer }] = (await pool.upWorkers()) as [Awaited<ReturnType<WorkerPool['upWorkers']>>[number]];
  const router = await worker.createRouter({ mediaCodecs: [] });
  const { iceCandidates } = await router.createWebRtcTransport({ webRtcServer, enableTcp: true });
  const addresses = (protocol: string) =>
    iceCandidates.filter((candidate) => candidate.protocol === protocol).map(({ address }) => address);
  for (const protocol of ['udp', 'tcp'])
    expect(addresses(protocol)).toEqual(['203.0.113.1', '2001:db8::1', '127.0.0.2']);
});
