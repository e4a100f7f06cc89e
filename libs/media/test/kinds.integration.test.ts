import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalNodes, microphone } from './local-nodes.ts';

let nodes: LocalNodes;
beforeEach(async () => {
  nodes = await LocalNodes.start('nd_a');
});
afterEach(() => nodes.close());

describe('a publication', () => {
  test('of video with an audio codec is refused, leaves nothing, and later ones are received', async () => {
    const { sessionId } = await nodes.enter('nd_a');
    const { publications, subscriptions } = await nodes.room('nd_a');
    await expect(
      publications.publish(sessionId, { ...microphone(), kind: 'video', source: 'camera' }),
    ).rejects.toMatchObject({ code: 'MEDIA_UNSUPPORTED', message: expect.stringContaining('audio/opus') as string });
    expect(await nodes.publications()).toEqual([]);
    expect((await nodes.dump('nd_a')).producers).toEqual([]);
    const { id } = await publications.publish(sessionId, microphone());
    const other = await nodes.enter('nd_a');
    expect(await subscriptions.subscribe(other.sessionId, [id])).toMatchObject({
      subscriptions: [{ publicationId: id, kind: 'audio' }],
      failed: [],
    });
  });
});
