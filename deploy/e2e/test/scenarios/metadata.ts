import { expect } from 'vitest';
import { enter, MetadataClient, notYet, type RawClient, type Topology, waitFor } from '@flotilla/testkit';

/** What clients without our SDK are promised of metadata, by requests to the gateways and over data channels. */
export interface MetadataScenario {
  readonly promise: string;
  readonly run: (topology: Topology) => Promise<void>;
}

let rooms = 0;

interface Participant {
  readonly signal: RawClient;
  readonly roomId: string;
  readonly participantId: string;
}

async function enterAs(topology: Topology, room: string, gateway: number, wanted = {}): Promise<Participant> {
  const signal = await enter(topology, room, gateway, wanted);
  const { participantId, snapshot } = signal.replies[0]!.payload as {
    participantId: string;
    snapshot: { room: { id: string } };
  };
  return { signal, roomId: snapshot.room.id, participantId };
}

/** Runs with a new room, and closes who was in it. */
async function inRoom(
  topology: Topology,
  work: (come: (gateway: number, wanted?: object) => Promise<Participant>) => Promise<void>,
): Promise<void> {
  const room = `metadata-${Date.now().toString(36)}-${++rooms}`;
  await topology.api.createRoom({ name: room });
  const signals: RawClient[] = [];
  try {
    await work(async (gateway, wanted) => {
      const participant = await enterAs(topology, room, gateway, wanted);
      signals.push(participant.signal);
      return participant;
    });
  } finally {
    for (const signal of signals) signal.close();
  }
}

const link = ({ signal, roomId }: Participant): Promise<MetadataClient> => MetadataClient.connect(signal, roomId);

export const metadataScenarios: readonly MetadataScenario[] = [
  {
    promise: 'a message goes from one client over the relay to another, with who sent it',
    run: (topology) =>
      inRoom(topology, async (come) => {
        const [ada, bob] = [await come(0), await come(1)];
        const [from, to] = [await link(ada), await link(bob)];
        await to.subscribe(['cursor']);
        await from.publish('cursor');
        from.send('cursor', 'here');
        const { stamp } = await to.frame('the message', ({ body }) => body.case === 'shard');
        expect(stamp!.publisherId).toBe(ada.participantId);
        expect(to.texts('cursor')).toEqual(['here']);
      }),
  },
  {
    promise: 'topics are published and subscribed by grant, by who is in the room, over a link of their own',
    run: (topology) =>
      inRoom(topology, async (come) => {
        const [viewer, sender] = [await come(0, { grants: ['subscribe'] }), await come(0, { grants: ['publish'] })];
        const [viewing, sending] = [await link(viewer), await link(sender)];
        await expect(viewing.publish('cursor')).rejects.toThrow('FORBIDDEN');
        await expect(sending.subscribe('*')).rejects.toThrow('FORBIDDEN');
        await sending.publish('cursor', { mode: 'reliable' });
        await expect(sending.publish('cursor', { mode: 'unreliable' })).resolves.toBeDefined();
        const { relayId } = viewing;
        const outsider = await come(0);
        const ask = (type: string, payload: object): Promise<unknown> =>
          outsider.signal.request(type, { relayId, ...payload }, `room:${outsider.roomId}`);
        expect(await ask('metadata.subscribe', { topics: '*' })).toMatchObject({
          error: { code: 'METADATA_NOT_OPEN' },
        });
        expect(await ask('metadata.publish', { topic: 'no spaces' })).toMatchObject({ error: { code: 'BAD_PAYLOAD' } });
        expect(
          await outsider.signal.request(
            'metadata.subscribe',
            { relayId: 'rl_gone', topics: '*' },
            `room:${outsider.roomId}`,
          ),
        ).toMatchObject({ error: { code: 'NODE_UNAVAILABLE' } });
        expect(
          await outsider.signal.request('metadata.subscribe', { relayId, topics: '*' }, 'room:elsewhere'),
        ).toMatchObject({ error: { code: 'NOT_IN_ROOM' } });
      }),
  },
  {
    promise: 'who leaves the room is out of its metadata',
    run: (topology) =>
      inRoom(topology, async (come) => {
        const ada = await come(0);
        const link_ = await link(ada);
        await ada.signal.request('leave', {}, `room:${ada.roomId}`);
        await waitFor('the link is closed', () => {
          const state = link_.peer.state();
          if (state !== 'closed' && state !== 'disconnected' && state !== 'failed') notYet(`it is ${state}`);
        });
      }),
  },
];
