import { expect } from 'vitest';
import { enter, MetadataClient, notYet, type RawClient, type Topology, waitFor } from '@flotilla/testkit';

/** Metadata scenarios for clients without the SDK: requests to the gateways, and data channels. */
export interface MetadataScenario {
  readonly title: string;
  readonly run: (topology: Topology) => Promise<void>;
}

interface Participant {
  readonly signal: RawClient;
  readonly roomId: string;
  readonly participantId: string;
}

async function enterAs(topology: Topology, room: string, gateway: number, parameters = {}): Promise<Participant> {
  const signal = await enter(topology, room, gateway, parameters);
  const { participantId, snapshot } = signal.replies[0]!.payload as {
    participantId: string;
    snapshot: { room: { id: string } };
  };
  return { signal, roomId: snapshot.room.id, participantId };
}

/** Runs with a new room, and closes its clients at the end. */
async function inRoom(
  topology: Topology,
  work: (come: (gateway: number, parameters?: object) => Promise<Participant>) => Promise<void>,
): Promise<void> {
  const room = await topology.api.newRoom('metadata');
  const signals: RawClient[] = [];
  try {
    await work(async (gateway, parameters) => {
      const participant = await enterAs(topology, room, gateway, parameters);
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
    title: 'a message is relayed from one client to another, stamped with the publisher',
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
    title: 'publishing and subscribing topics needs the grant, membership in the room and an own link',
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
    title: 'the metadata link of a client is closed when it leaves the room',
    run: (topology) =>
      inRoom(topology, async (come) => {
        const ada = await come(0);
        const link_ = await link(ada);
        await ada.signal.request('leave', {}, `room:${ada.roomId}`);
        await waitFor('the closed link', () => {
          const state = link_.peer.state();
          if (state !== 'closed' && state !== 'disconnected' && state !== 'failed') notYet(`it is ${state}`);
        });
      }),
  },
];
