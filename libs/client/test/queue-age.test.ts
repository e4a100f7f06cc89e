import { expect, test } from 'vitest';
import { QueueAge } from '../src/metadata/queue-age.ts';

test('QueueAge: the age is that of the first message that is not sent completely', () => {
  const queue = new QueueAge();
  queue.sent(100, 100, 0);
  queue.sent(50, 150, 10);
  expect(queue.ageMs(150, 30)).toBe(30);
  expect(queue.ageMs(51, 40)).toBe(40);
  expect(queue.ageMs(50, 40)).toBe(30);
  expect(queue.ageMs(0, 50)).toBe(0);
  queue.sent(100, 100, 60);
  expect(queue.ageMs(100, 65)).toBe(5);
});
