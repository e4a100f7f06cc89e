import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newApiKey } from '@flotilla/auth';
import { gatewayUrl, notYet, type Topology, waitFor } from '@flotilla/testkit';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startEdge } from './media-edge/edge.ts';
import { useStandalone } from './use-topology.ts';
import { publishOffer } from './whip-offers.ts';

describe('API keys of the media edge', () => {
  let topology: Topology;
  useStandalone((it) => (topology = it));

  test('a WHIP resource ends when the key that created it leaves the file of keys, and that of another key stays', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'flotilla-edge-keys-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const file = join(directory, 'api-keys');
    const [encoder, other] = [newApiKey('encoder', ['rooms']), newApiKey('other', ['rooms'])];
    writeFileSync(file, `${encoder.entry}\n${other.entry}`);
    const { api } = topology;
    const edge = await startEdge({ api, gatewayUrl: gatewayUrl(topology) }, { FLOTILLA_API_KEYS_FILE: file });
    onTestFinished(() => edge.remove());
    const room = await api.newRoom('edge-keys');
    const send = (path: string, key: string, body?: string): Promise<Response> =>
      fetch(new URL(path, edge.url), {
        ...(body !== undefined && { method: 'POST', body }),
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/sdp' },
      });
    const create = async ({ key }: { key: string }): Promise<() => Promise<number>> => {
      const { status, headers } = await send(`/whip/${room}`, key, publishOffer());
      expect(status).toBe(201);
      return async () => (await send(headers.get('location')!, key)).status;
    };
    const [ofEncoder, ofOther] = [await create(encoder), await create(other)];
    expect([await ofEncoder(), await ofOther()]).toEqual([204, 204]);
    const names = async (): Promise<string[]> => {
      const { body } = await api.request('GET', `/v1/rooms/${room}/participants`);
      return (body as { participants: { name: string }[] }).participants.map(({ name }) => name).toSorted();
    };
    expect(await names()).toEqual(['encoder', 'other']);

    writeFileSync(file, other.entry);
    await waitFor(
      'the resource has ended',
      async () => {
        const status = await ofEncoder();
        if (status !== 404) notYet(`its status is ${status}`);
      },
      { everyMs: 250 },
    );
    await waitFor('its participant has left', async () => expect(await names()).toEqual(['other']));
    expect(await ofOther()).toBe(204);
    expect((await send(`/whip/${room}`, encoder.key, publishOffer())).status).toBe(403);
  });
});
