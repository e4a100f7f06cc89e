// Clients of the benchmark: many subscribers, or the one publisher. Told what to do by the process that forked it.
import type { DtlsParameters, MetadataSession } from '@flotilla/contracts';
import { MetadataClient, RawClient, type Requester } from '@flotilla/testkit';
import { machineMicros, type Order, topic, type Word } from './protocol.ts';

const clients: MetadataClient[] = [];
const latencies: number[] = [];
let received = 0;
let bare = false;

const say = (word: Word): void => void process.send!(word);

const asked = new Map<number, (session: MetadataSession) => void>();

/** In place of a gateway: whoever forked us passes the question on. */
const bareRequester = (role: string): Requester => ({
  request: async (type, payload) => {
    if (type !== 'metadata.connect') return { replyTo: '', ok: true, payload: { topics: [] } };
    const { dtlsParameters } = payload as { dtlsParameters: DtlsParameters };
    const id = asked.size + 1;
    const session = await new Promise<MetadataSession>((resolve) => {
      asked.set(id, resolve);
      say({ say: 'connect', id, role, dtlsParameters });
    });
    return { replyTo: '', ok: true, payload: { ...session } };
  },
});

async function connect({ target, role, tokens }: Extract<Order, { do: 'connect' }>): Promise<void> {
  bare = target.kind === 'bare';
  for (const token of tokens) {
    let client: MetadataClient;
    if (target.kind === 'bare') client = await MetadataClient.connect(bareRequester(role), 'rm_bare');
    else {
      const signal = await RawClient.connect(target.url, { token });
      const { payload } = await signal.request('join', { room: target.room });
      const { snapshot } = payload as { snapshot: { room: { id: string } } };
      client = await MetadataClient.connect(signal, snapshot.room.id, { exceptRelay: target.exceptRelay });
      if (role === 'publisher') await client.publish(topic);
      else await client.subscribe([topic]);
    }
    client.onFrame = ({ body }) => {
      if (body.case !== 'shard') return;
      received++;
      latencies.push((machineMicros() - body.value.captureTime) / 1000);
    };
    clients.push(client);
  }
  say({ say: 'connected' });
}

/** At fixed times, so that one that is late makes none of the next late. */
async function send({ perSecond, bytes, seconds }: Extract<Order, { do: 'send' }>): Promise<void> {
  const [client] = clients;
  const payload = Buffer.alloc(bytes, 'm');
  const began = performance.now();
  const count = perSecond * seconds;
  // The bare server puts no stamp on what it passes on.
  const stamp = bare ? { stamp: { publisherId: 'pt_bare', routedAt: 1 } } : {};
  for (let seqId = 0; seqId < count; seqId++) {
    const wait = began + (seqId * 1000) / perSecond - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const value = { topic, seqId, total: 1, size: bytes, captureTime: machineMicros(), reliable: true, payload };
    client!.sendFrame('limited', { body: { case: 'shard', value }, ...stamp });
  }
  say({ say: 'sent', count });
}

process.on('message', (order: Order) => {
  const work = async (): Promise<void> => {
    switch (order.do) {
      case 'connect':
        return connect(order);
      case 'send':
        return send(order);
      case 'transport':
        return asked.get(order.id)?.(order.session);
      case 'result':
        say({ say: 'result', received, latencies: latencies.splice(0) });
        received = 0;
    }
  };
  work().catch((error: unknown) => say({ say: 'failed', why: String(error) }));
});
process.on('disconnect', () => process.exit());
