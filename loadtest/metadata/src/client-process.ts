// A client process: many subscribers or the publisher, controlled by the parent process.
import type { DtlsParameters, MetadataSession } from '@flotilla/contracts';
import { MetadataClient, RawClient, type Requester } from '@flotilla/testkit';
import { machineMicros, type Command, topic, type Message } from './protocol.ts';

const clients: MetadataClient[] = [];
const latencies: number[] = [];
let received = 0;
let bare = false;

const post = (message: Message): void => void process.send!(message);

const pending = new Map<number, (session: MetadataSession) => void>();

/** Replaces the gateway: the parent process forwards the request to the bare server. */
const bareRequester = (role: string, room: string): Requester => ({
  request: async (type, payload) => {
    if (type !== 'metadata.connect') return { replyTo: '', ok: true, payload: { topics: [] } };
    const { dtlsParameters } = payload as { dtlsParameters: DtlsParameters };
    const id = pending.size + 1;
    const session = await new Promise<MetadataSession>((resolve) => {
      pending.set(id, resolve);
      post({ type: 'connect', id, role, room, dtlsParameters });
    });
    return { replyTo: '', ok: true, payload: { ...session } };
  },
});

async function connect({ target, role, tokens }: Extract<Command, { type: 'connect' }>): Promise<void> {
  bare = target.kind === 'bare';
  for (const token of tokens) {
    let client: MetadataClient;
    if (target.kind === 'bare') client = await MetadataClient.connect(bareRequester(role, target.room), 'rm_bare');
    else {
      const signal = await RawClient.connect(target.url, { token });
      const { payload, error } = await signal.request('join', { room: target.room });
      if (error) throw new Error(`join: ${error.code} ${error.message}`);
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
  post({ type: 'connected' });
}

/** Sends with the clients in turn, at a fixed schedule, so that a delayed message does not delay the following ones. */
async function send({ perSecond, bytes, seconds }: Extract<Command, { type: 'send' }>): Promise<void> {
  const payload = Buffer.alloc(bytes, 'm');
  const began = performance.now();
  const count = perSecond * seconds * clients.length;
  const everyMs = 1000 / (perSecond * clients.length);
  // The bare server does not stamp frames, so the publisher does.
  const stamp = bare ? { stamp: { publisherId: 'pt_bare', routedAt: 1 } } : {};
  for (let index = 0; index < count; index++) {
    const wait = began + index * everyMs - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const client = clients[index % clients.length]!;
    const seqId = Math.floor(index / clients.length);
    const value = { topic, seqId, total: 1, size: bytes, captureTime: machineMicros(), reliable: true, payload };
    try {
      client.sendFrame('limited', { body: { case: 'shard', value }, ...stamp });
    } catch {
      // Its channel is closed: the message counts as missing.
    }
  }
  post({ type: 'sent', count });
}

process.on('message', (command: Command) => {
  const work = async (): Promise<void> => {
    switch (command.type) {
      case 'connect':
        return connect(command);
      case 'send':
        return send(command);
      case 'transport':
        return pending.get(command.id)?.(command.session);
      case 'result':
        post({ type: 'result', received, latencies: latencies.splice(0) });
        received = 0;
    }
  };
  work().catch((error: unknown) => post({ type: 'failed', reason: String(error) }));
});
process.on('disconnect', () => process.exit());
