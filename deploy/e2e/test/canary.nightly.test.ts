import { fileURLToPath } from 'node:url';
import { Canary } from '@flotilla/contracts';
import { LightPeer } from '@flotilla/light-peer';
import { freePort } from '@flotilla/processes';
import { isRtp, notYet, UdpRelay, waitFor } from '@flotilla/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { metricsOf, useOwnFleet } from './use-topology.ts';

const crashingVersion = ['--import', fileURLToPath(new URL('../src/crashing-version.ts', import.meta.url))];
/** The address that the node of the bad version announces: a path on which it loses the media that it sends begins there. */
const pathHost = '127.0.0.2';
const loss = 0.6;
const peersOfRoom = 3;
/** More than any test needs. */
const maxPeers = 80;
/** Attempts of a peer to join. */
const attempts = 5;
const patience = { timeoutMs: 60_000 };

const settings = {
  FLOTILLA_CANARY: 'true',
  FLOTILLA_CANARY_SHARE_PERCENT: '50',
  FLOTILLA_CANARY_CONFIDENCE_PERCENT: '80',
  FLOTILLA_CANARY_TOLERANCE_PERCENT: '30',
  FLOTILLA_CANARY_MIN_SAMPLES: '5',
  FLOTILLA_CANARY_SAMPLE_SECONDS: '3',
  FLOTILLA_CANARY_MIN_SECONDS: '1',
};

describe('a canary of SFU nodes', { timeout: 300_000 }, () => {
  let fleet: TestFleet;
  let path: UdpRelay | undefined;
  let pathPort: number;
  const versions: Record<string, string> = { nd_1: 'v1', nd_2: 'v1', nd_bad: 'v2', nd_crash: 'v3', nd_good: 'v4' };
  const peers: LightPeer[] = [];

  useOwnFleet(
    'canary',
    () => ({
      sfuNodes: 2,
      gateways: 1,
      env: settings,
      nodeFlags: (name) => (name === 'nd_crash' ? crashingVersion : []),
      sfuEnv: (id) => ({
        FLOTILLA_REVISION: versions[id]!,
        FLOTILLA_INSTANCE: id,
        ...(id === 'nd_bad' && {
          FLOTILLA_SFU_ANNOUNCED_ADDRESS: pathHost,
          FLOTILLA_SFU_PORT_BASE: String(pathPort),
        }),
      }),
    }),
    (it) => (fleet = it),
  );
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.close();
    await path?.close();
    path = undefined;
  });

  const canary = async (): Promise<Canary> => Canary.parse((await fleet.api.request('GET', '/v1/canary')).body);
  const phaseIs = (phase: Canary['phase'], version: string): Promise<void> =>
    waitFor(
      `the canary is ${phase}`,
      async () => {
        const now = await canary();
        if (now.phase !== phase || (now.candidate ?? now.stable) !== version) notYet(JSON.stringify(now));
      },
      patience,
    );
  const nodesOf = (version: string): string[] => Object.keys(versions).filter((id) => versions[id] === version);
  const isOn = (version: string): LightPeer[] => peers.filter(({ nodeId }) => nodesOf(version).includes(nodeId));

  async function join(room: string, name: string): Promise<LightPeer> {
    const { gatewayUrls, api } = fleet;
    // On a busy machine a transport may not connect in time, and a node that crashes opens none: a client tries again.
    for (let attempt = 1; ; attempt++)
      try {
        const token = await api.issueToken(room);
        return await LightPeer.join({ url: gatewayUrls[0]!, token, room, name, publish: ['audio'] });
      } catch (error) {
        if (attempt === attempts) throw error;
      }
  }

  /** Joins peers, into one room of three after the other, until the candidate is decided on. */
  async function joinUntilDecided(between: () => Promise<void> = async () => undefined): Promise<void> {
    while ((await canary()).phase === 'observing') {
      if (peers.length >= maxPeers) throw new Error(`not decided: ${JSON.stringify(await canary())}`);
      const room = `call-${peers.length / peersOfRoom}`;
      await fleet.api.createRoom({ name: room });
      const names = Array.from({ length: peersOfRoom }, (_, index) => `peer-${peers.length + index}`);
      peers.push(...(await Promise.all(names.map((name) => join(room, name)))));
      await between();
    }
  }

  /** Waits until each peer has received ten more packets of all that the others in its room publish. */
  async function allReceiveAll(): Promise<void> {
    const rooms = Map.groupBy(peers, ({ roomId }) => roomId);
    const before = new Map(
      peers.map((peer) => [peer, new Map(peer.takeReceived().map((each) => [each.publicationId, each.packets]))]),
    );
    await waitFor(
      'every peer receives every publication',
      () => {
        for (const peer of peers) {
          const received = new Map(peer.takeReceived().map((each) => [each.publicationId, each.packets]));
          const expected = rooms
            .get(peer.roomId)!
            .flatMap((other) => (other === peer ? [] : [...other.published.keys()]));
          for (const id of expected)
            if ((received.get(id) ?? 0) < (before.get(peer)!.get(id) ?? 0) + 10)
              notYet(`${peer.name} on ${peer.nodeId} has ${received.get(id)} packets of ${id}`);
        }
      },
      patience,
    );
  }

  /** Everybody has left: the rooms are deleted for the next version. */
  async function everybodyOffAndStopped(node: string): Promise<void> {
    for (const peer of peers.splice(0)) peer.close();
    const { rooms } = (await fleet.api.request('GET', '/v1/rooms?limit=100')).body as { rooms: { id: string }[] };
    for (const { id } of rooms) await fleet.api.request('DELETE', `/v1/rooms/${id}`);
    if (!fleet.processes.get(node)!.ended) await fleet.processes.get(node)!.stop();
  }

  test('a version that loses packets is found and evacuated, and no call drops', async () => {
    await phaseIs('promoted', 'v1');
    pathPort = await freePort();
    path = await UdpRelay.start({
      host: pathHost,
      port: pathPort,
      targetPort: pathPort,
      down: { loss },
      impairs: isRtp,
    });
    await fleet.startSfuNode('nd_bad');
    await phaseIs('observing', 'v2');
    await joinUntilDecided();
    const decided = await canary();
    console.log(`[canary] after ${peers.length} joins: ${decided.decision.reasons.join('; ')}`);
    expect(decided).toMatchObject({ stable: 'v1', candidate: 'v2', excluded: ['v2'], decision: { by: 'comparison' } });
    expect(decided.comparisons).toContainEqual(expect.objectContaining({ measure: 'loss' }));
    await phaseIs('evacuated', 'v2');
    await waitFor(
      'all peers are on the stable version',
      () =>
        isOn('v2').length === 0 ||
        notYet(
          `${isOn('v2')
            .map(({ name }) => name)
            .join(', ')} are not`,
        ),
      patience,
    );
    await allReceiveAll();
    expect(peers.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`))).toEqual([]);
    expect(await metricsOf(fleet, 'autoscaler-1')).toMatch(/^flotilla_canary_phase\{phase="evacuated"\} 1$/m);
    // The version stays excluded.
    const url = fleet.gatewayUrls[0]!;
    for (let count = 0; count < 4; count++) {
      const peer = await LightPeer.join({
        url,
        token: await fleet.api.issueToken('call-0'),
        room: 'call-0',
        publish: [],
      });
      expect(nodesOf('v1')).toContain(peer.nodeId);
      peer.close();
    }
    await everybodyOffAndStopped('nd_bad');
  });

  test('a version that crashes is evacuated, and its calls recover', async () => {
    await fleet.startSfuNode('nd_crash');
    await phaseIs('observing', 'v3');
    let starts = 1;
    const node = () => fleet.processes.get('nd_crash')!;
    await joinUntilDecided(async () => {
      if (!node().ended) return;
      await fleet.startAgain('nd_crash');
      starts++;
    });
    const decided = await canary();
    console.log(`[canary] after ${starts} starts: ${decided.decision.reasons.join('; ')}`);
    expect(decided).toMatchObject({
      stable: 'v1',
      candidate: 'v3',
      excluded: ['v2', 'v3'],
      decision: { by: 'crashes' },
    });
    await phaseIs('evacuated', 'v3');
    await waitFor('all peers are on the stable version', () => isOn('v3').length === 0 || notYet('not yet'), patience);
    await allReceiveAll();
    await everybodyOffAndStopped('nd_crash');
  });

  test('a version that is as good is promoted after an operator has cleared the excluded ones', async () => {
    expect(await fleet.api.request('POST', '/v1/canary/evacuate')).toMatchObject({ status: 404 });
    expect(await fleet.api.request('POST', '/v1/canary/reset')).toMatchObject({ status: 202 });
    await waitFor('no version is excluded', async () => (await canary()).excluded.length === 0 || notYet('some are'));
    await fleet.startSfuNode('nd_good');
    await phaseIs('observing', 'v4');
    await joinUntilDecided();
    const decided = await canary();
    console.log(`[canary] after ${peers.length} joins: ${decided.decision.reasons.join('; ')}`);
    expect(decided).toMatchObject({ stable: 'v4', previous: 'v1', phase: 'promoted', decision: { by: 'comparison' } });
    await allReceiveAll();
    expect(peers.flatMap(({ problems }) => problems)).toEqual([]);
    await everybodyOffAndStopped('nd_good');
  });
});
