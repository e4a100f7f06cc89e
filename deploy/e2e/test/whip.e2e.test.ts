import { fileURLToPath } from 'node:url';
import { endTransports, LightPeer } from '@flotilla/light-peer';
import { Child } from '@flotilla/processes';
import { notYet, RawClient, type Topology, waitFor } from '@flotilla/testkit';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { useBrowser, useStandalone } from './use-topology.ts';
import {
  audioPacketsOf,
  dtlsState,
  framesOf,
  localDescription,
  negotiated,
  openWhipPage,
  play,
  publish,
  remove,
  restartIce,
} from './whip-page.ts';

describe('WHIP and WHEP with Chromium', () => {
  let topology: Topology;
  let browser: Browser;
  let room: string;
  const pages: Page[] = [];
  const peers: LightPeer[] = [];
  useStandalone((it) => (topology = it));
  useBrowser((it) => (browser = it));
  beforeEach(async () => {
    room = await topology.api.newRoom('whip', { spread: true });
  });
  afterEach(async () => {
    for (const peer of peers.splice(0)) peer.close();
    await Promise.all(pages.splice(0).map((page) => page.context().close()));
  });
  afterAll(() => endTransports());

  const open = async (): Promise<Page> => {
    const page = await openWhipPage(browser, topology.pageUrl);
    pages.push(page);
    return page;
  };
  const token = (grants: ('publish' | 'subscribe')[]) => topology.api.issueToken(room, { grants });
  const whip = async () => ({ url: `${topology.pageUrl}/whip/${room}`, token: await token(['publish']) });
  const whep = async (query = '') => ({
    url: `${topology.pageUrl}/whep/${room}${query}`,
    token: await token(['subscribe']),
  });
  const lightPeer = async (publishes: ('audio' | 'video')[]): Promise<LightPeer> => {
    const peer = await LightPeer.join({
      url: topology.signalUrls[0]!,
      token: await topology.api.issueToken(room),
      room,
      publish: publishes,
    });
    peers.push(peer);
    return peer;
  };
  const framesCome = async (page: Page): Promise<void> => {
    const before = await framesOf(page);
    await waitFor('decoded frames', async () => {
      const frames = await framesOf(page);
      if (frames < before + 10) notYet(`${frames - before} new frames, ${await dtlsState(page)}`);
    });
  };
  const closed = (page: Page): Promise<void> =>
    waitFor('the connection is closed by DTLS', async () => {
      const state = await dtlsState(page);
      if (state !== 'closed') notYet(state);
    });
  /** The SFU node of a participant. */
  const nodeOf = (participantId: string): Promise<string> =>
    waitFor('the node of the participant', async () => {
      const { body } = await topology.api.request('GET', '/v1/topology');
      const { vertices } = body as { vertices: { id: string; media?: { nodeId: string }[] }[] };
      const session = vertices.find(({ id }) => id === participantId.replace('pt_', 'ss_'));
      return session?.media?.[0]?.nodeId ?? notYet(JSON.stringify(session));
    });
  /** An observer that sees the events of the room. */
  const observe = async (): Promise<RawClient> => {
    const client = await RawClient.connect(topology.signalUrls[0]!, { token: await topology.api.issueToken(room) });
    await client.event('welcome');
    await client.request('join', { room });
    return client;
  };

  test('a WHIP publisher with simulcast is received by a participant and played by WHEP, until DELETE', async () => {
    const observer = await observe();
    const publisher = await open();
    const created = await publish(publisher, { ...(await whip()), rids: ['l', 'm', 'h'] });
    expect(created).toMatchObject({ status: 201, problem: undefined });
    expect(created.location).toMatch(new RegExp(`^/whip/${room}/`));
    expect(created.etag).toMatch(/^"[\w-]+"$/);
    const added = await observer.event('publication_added', ({ payload }) => JSON.stringify(payload).includes('VP8'));
    expect(added.payload).toMatchObject({ publication: { kind: 'video', source: 'camera', codec: 'video/VP8' } });
    expect((await negotiated(publisher)).match(/a=simulcast:recv l;m;h/g)).toHaveLength(1);

    const viewer = await open();
    expect(await play(viewer, await whep())).toMatchObject({ status: 406, answered: 204 });
    await framesCome(viewer);
    const peer = await lightPeer([]);
    await waitFor('audio and video at the participant', () => {
      const received = peer.takeReceived().filter(({ packets }) => packets > 10);
      if (received.length !== 2) notYet(JSON.stringify(received));
    });

    const { status, etag } = await restartIce(publisher);
    expect(status).toBe(200);
    expect(etag).not.toBe(created.etag);
    await framesCome(viewer);

    expect(await remove(publisher)).toBe(200);
    await observer.event('participant_left', ({ payload }) => payload['reason'] === 'left');
    await closed(publisher);
    // What the player receives has ended, and with it its resource.
    await closed(viewer);
    expect(await remove(viewer)).toBe(404);
    observer.close();
  });

  test('a WHEP player of a counter-offer sends transport feedback, and plays on when the publisher is migrated', async () => {
    const peer = await lightPeer(['audio', 'video']);
    const viewer = await open();
    expect(await play(viewer, await whep())).toMatchObject({ status: 406, answered: 204 });
    await framesCome(viewer);
    expect(await localDescription(viewer)).toMatch(/a=rtcp-fb:96 transport-cc/);
    await waitFor('audio', async () => {
      const packets = await audioPacketsOf(viewer);
      if (packets < 10) notYet(`${packets} packets`);
    });
    const path = `/v1/rooms/${room}/participants/${peer.participantId}/migrate`;
    expect(await topology.api.request('POST', path, {})).toMatchObject({ status: 202 });
    await waitFor('the publisher was migrated', () => peer.moves.length > 0 || notYet(peer.nodeId));
    expect(peer.moves).toMatchObject([{ fromNode: expect.any(String) as string }]);
    expect(peer.moves[0]!.error).toBeUndefined();
    // The previous producer is closed after the linger.
    await waitFor('frames of the new producer', async () => {
      const before = await framesOf(viewer);
      await new Promise((resolve) => setTimeout(resolve, 500));
      if (peer.moves.length === 1 && (await framesOf(viewer)) - before < 5) notYet('no frames');
    });
    await framesCome(viewer);
    expect(await remove(viewer)).toBe(200);
  });

  test('a WHEP player that accepts no counter-offer decodes H.264 of a WHIP publisher with the payload types of Chromium', async () => {
    const publisher = await open();
    expect(await publish(publisher, { ...(await whip()), codec: 'video/H264' })).toMatchObject({ status: 201 });
    const viewer = await open();
    expect(await play(viewer, await whep('?answer=201'))).toMatchObject({ status: 201 });
    await framesCome(viewer);
    expect(await localDescription(viewer)).toMatch(/H264/);
  });

  test('a WHIP resource ends when its SFU node drains, and the publisher connects again to another node', async () => {
    const publisher = await open();
    const observer = await observe();
    await publish(publisher, await whip());
    const first = await observer.event('publication_added');
    const node = await nodeOf(first.from);
    expect(await topology.api.request('POST', `/v1/nodes/${node}/drain`)).toMatchObject({ status: 200 });
    try {
      await closed(publisher);
      expect(await remove(publisher)).toBe(404);
      expect(await publish(publisher, await whip())).toMatchObject({ status: 201 });
      const second = await observer.event('publication_added', ({ from }) => from !== first.from);
      expect(await nodeOf(second.from)).not.toBe(node);
    } finally {
      await topology.api.request('POST', `/v1/nodes/${node}/uncordon`);
      observer.close();
    }
  });

  test('aiortc publishes by WHIP, and decodes audio and video by WHEP', async () => {
    const [publisher, player] = [await whip(), await whep()];
    const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
    const client = new Child('aiortc', process.env['BOT_PYTHON']!, [
      file('whip-client.py'),
      file('../../../examples/python-bot'),
      publisher.url,
      publisher.token,
      player.url,
      player.token,
    ]);
    const [line] = await client.line(/^\{.*\}$/m);
    expect(JSON.parse(line)).toEqual({ published: 201, played: 201, deleted: [200, 200] });
    expect(await client.exited).toBe(0);
  });
});
