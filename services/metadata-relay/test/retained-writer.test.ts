import { MemoryEventLog } from '@flotilla/bus';
import { FlotillaError, type RetainedMessage } from '@flotilla/contracts';
import { createLogger } from '@flotilla/runtime';
import { MemoryStore } from '@flotilla/store';
import { notYet, roomRecord, waitFor } from '@flotilla/testkit';
import { expect, test } from 'vitest';
import { RetainedWriter } from '../src/peers/retained-writer.ts';

const log = createLogger({ service: 'test', level: 'fatal' });
const message: RetainedMessage = { topic: 'cursor', mode: 'adaptive', publisherId: 'pt_a', seqId: 1, frames: ['AA=='] };

test('a retained value that was deleted while the store was unavailable is deleted when it is available again', async () => {
  const { rooms, relays } = new MemoryStore(new MemoryEventLog());
  await rooms.create(roomRecord('a'));
  let failures = 1;
  const writer = new RetainedWriter(
    'rm_a',
    {
      retain: (...change) => relays.retain(...change),
      forget: async (...change) => {
        if (failures-- > 0) throw new FlotillaError('UNAVAILABLE');
        return relays.forget(...change);
      },
    },
    log,
  );
  writer.retain(message);
  await waitFor('the value', async () => (await relays.retained('rm_a')).length === 1 || notYet('it is not written'));
  writer.forget(message);
  await waitFor('no value', async () => (await relays.retained('rm_a')).length === 0 || notYet('it is there'));
  expect(failures).toBeLessThan(1);
  writer.close();
});

test('pending changes of a publisher whose values the store has deleted are not written, those of others are', async () => {
  const { rooms, relays } = new MemoryStore(new MemoryEventLog());
  await rooms.create(roomRecord('a'));
  const other = { ...message, publisherId: 'pt_b' };
  await relays.retain('rm_a', { ...message, topic: 'newer' });
  const writer = new RetainedWriter('rm_a', relays, log);
  writer.retain(message);
  writer.forget({ topic: 'newer', publisherId: 'pt_a' });
  writer.retain(other);
  writer.cancel('pt_a');
  const stored = async (): Promise<string[]> =>
    (await relays.retained('rm_a')).map(({ publisherId, topic }) => `${publisherId} ${topic}`);
  await waitFor('the other value', async () => (await stored()).length === 2 || notYet('it is not written'));
  expect(await stored()).toEqual(['pt_a newer', 'pt_b cursor']);
  writer.close();
});
