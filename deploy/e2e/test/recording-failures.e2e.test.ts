import { endTransports, LightPeer } from '@flotilla/light-peer';
import { afterAll, expect, test } from 'vitest';
import type { TestFleet } from '../src/index.ts';
import { startEdge } from './media-edge/edge.ts';
import { probe } from './media-edge/media-file.ts';
import { RecordingClient } from './media-edge/recording-client.ts';
import { useFaultFleet } from './use-topology.ts';

let fleet: TestFleet;
useFaultFleet((it) => (fleet = it));
afterAll(endTransports);

test('a recording continues its files when the SFU nodes of the publisher and of itself are killed', async () => {
  const { api } = fleet;
  const gatewayUrl = fleet.gatewayUrls[0]!;
  const room = await api.newRoom('killed');
  const edge = await startEdge({ api, gatewayUrl });
  const ada = await LightPeer.join({ url: gatewayUrl, token: await api.issueToken(room), room, name: 'Ada' });
  try {
    const recordings = new RecordingClient(edge, room);
    const id = await recordings.start();
    const twoTracks = await recordings.shows(id, 'two tracks have frames', ({ tracks }) =>
      tracks.length === 2 ? tracks.every(({ durationMs }) => durationMs > 500) : false,
    );
    const killed = new Set([ada.nodeId, twoTracks.nodeId]);
    for (const nodeId of killed) fleet.processes.get(nodeId)!.killGroup();
    await recordings.shows(id, 'it is on another node', ({ nodeId }) => nodeId !== undefined && !killed.has(nodeId));
    await recordings.grows(id, 2000);
    const ended = await recordings.stop(id);
    const parts = recordings.manifestOf(id).tracks.flatMap((track) => track.parts);
    console.log(
      'gaps, ms:',
      parts.map(({ gaps }) => gaps.map(({ fromMs, toMs }) => Math.round(toMs - fromMs))),
    );
    expect(parts.map(({ state }) => state)).toEqual(['complete', 'complete']);
    for (const { file, frames, startMs, endMs } of parts) {
      const { packets, durationMs } = await probe(recordings.fileOf(id, file));
      expect(packets).toBe(frames);
      // The time without media is in the file, as a gap.
      expect(Math.abs(durationMs - (endMs - startMs))).toBeLessThan(50);
    }
    expect(ended.tracks.map(({ files }) => files.length)).toEqual([1, 1]);
  } finally {
    ada.close();
    await edge.remove();
    await api.request('DELETE', `/v1/rooms/${room}`);
  }
});
