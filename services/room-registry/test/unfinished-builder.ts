// Takes the lock of the topology's snapshot and never finishes its build, so that a test can kill a builder. Arguments: URL, namespace,
// time of the lock in ms.
import { SnapshotCache } from '@flotilla/resilience';
import { createLogger } from '@flotilla/runtime';
import { RedisStore } from '@flotilla/store';
import { topologyForm } from '../src/topology/topology-snapshot.ts';

const [url, namespace, lockMs] = process.argv.slice(2) as [string, string, string];
const log = createLogger({ service: 'builder', level: 'error' });
const store = await RedisStore.connect({ url, namespace, log });
const cache = new SnapshotCache({
  name: 'topology',
  form: topologyForm,
  build: () => {
    console.log('building');
    return new Promise<never>(() => undefined);
  },
  shared: store.snapshots,
  log,
  times: { lockMs: Number(lockMs) },
});
await cache.read('builder');
