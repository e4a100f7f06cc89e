import { describe, expect, test } from 'vitest';
import { TopicRequests } from '../src/metadata/topic-requests.ts';
import { FakeSession } from './kit/fake-session.ts';

/** Topics of an application that subscribes and unsubscribes, and the requests that are sent for them. */
function relay() {
  const session = new FakeSession();
  const topics = new Set<string>();
  const requests = new TopicRequests('rl_a', {
    request: (type, payload) => session.request(type, payload),
    topics: () => [...topics],
  });
  return {
    session,
    subscribe: (topic: string) => {
      topics.add(topic);
      return requests.subscribe([topic]);
    },
    unsubscribe: (topic: string) => {
      topics.delete(topic);
      return requests.unsubscribe(topic);
    },
    sent: () => session.requests.map(({ type, payload }) => [type.replace('metadata.', ''), payload['topics']]),
  };
}

describe('TopicRequests', () => {
  test('a request is sent after the previous one was answered', async () => {
    const { session, subscribe, unsubscribe, sent } = relay();
    const done = [subscribe('boxes'), unsubscribe('boxes')];
    const first = await session.nth('metadata.subscribe', 1);
    expect(sent()).toEqual([['subscribe', ['boxes']]]);
    first.reply();
    (await session.nth('metadata.unsubscribe', 1)).reply();
    await Promise.all(done);
    expect(sent()).toEqual([
      ['subscribe', ['boxes']],
      ['unsubscribe', ['boxes']],
    ]);
  });

  test('a topic that is subscribed to again at once is not unsubscribed', async () => {
    const { session, subscribe, unsubscribe, sent } = relay();
    session.answers.set('metadata.subscribe', () => ({}));
    await subscribe('boxes');
    const ended = unsubscribe('boxes');
    await Promise.all([subscribe('boxes'), ended]);
    expect(sent().map(([type]) => type)).toEqual(['subscribe', 'subscribe']);
  });

  test('after a failed request the following ones are sent', async () => {
    const { session, subscribe } = relay();
    const refused = subscribe('secret');
    const allowed = subscribe('boxes');
    (await session.nth('metadata.subscribe', 1)).fail('FORBIDDEN');
    await expect(refused).rejects.toMatchObject({ code: 'FORBIDDEN' });
    (await session.nth('metadata.subscribe', 2)).reply();
    await expect(allowed).resolves.toBeUndefined();
  });

  test('the end of a subscription to all topics keeps those to single topics', async () => {
    const { session, subscribe, unsubscribe, sent } = relay();
    for (const type of ['metadata.subscribe', 'metadata.unsubscribe'] as const) session.answers.set(type, () => ({}));
    await subscribe('*');
    await subscribe('boxes');
    await unsubscribe('*');
    expect(sent()).toEqual([
      ['subscribe', '*'],
      ['subscribe', ['boxes']],
      ['unsubscribe', '*'],
      ['subscribe', ['boxes']],
    ]);
  });
});
