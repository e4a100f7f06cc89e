import { apiKeyList, newApiKey } from '@flotilla/auth';
import { expect, test } from 'vitest';
import { ApiKeys } from '../src/inbound/api-keys.ts';
import { auditFor, joinTokensFor } from '../src/whip.ts';

const named = (name: string, scopes: Parameters<typeof newApiKey>[1]) => {
  const { key, entry } = newApiKey(name, scopes);
  return { key, known: apiKeyList().parse(entry) };
};

test('a WHIP session gets no further join token once its API key is removed, and renewals count as no requests', async () => {
  const { key, known } = named('encoder', ['rooms']);
  let keys = known;
  let issued = 0;
  const exchange = joinTokensFor(new ApiKeys(() => keys, 1, { info: () => undefined }), {
    issueToken: async () => ({ token: `token ${++issued}`, userId: 'encoder', expiresAt: '2030-01-01T00:00:00Z' }),
  });
  const { next, isAccepted } = exchange(key, { kind: 'whip', room: 'room' })!;
  for (let times = 1; times <= 10; times++) expect(await next()).toBe(`token ${times}`);
  expect(isAccepted()).toBe(true);
  keys = [{ ...known[0]!, scopes: ['read'] }];
  expect(isAccepted()).toBe(false);
  keys = [];
  expect(isAccepted()).toBe(false);
  await expect(next()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(issued).toBe(10);
});

test('a write by WHIP or WHEP is audited with the name of its API key and its outcome; join tokens and unknown keys are not', () => {
  const { key, known } = named('encoder', ['read']);
  const records: unknown[] = [];
  let keys = known;
  const audit = auditFor(new ApiKeys(() => keys, 1, { info: (record: unknown) => void records.push(record) }));
  const write = { room: 'lobby', participantId: undefined, outcome: 'FORBIDDEN' };
  audit(key)!({ ...write, method: 'POST', kind: 'whip' });
  const atItsEnd = audit(key)!;
  keys = [];
  atItsEnd({ method: 'DELETE', kind: 'whep', room: 'lobby', participantId: 'pt_a', outcome: 'ok' });
  expect([audit('unknown'), audit('a.b.c'), audit(key)]).toEqual([undefined, undefined, undefined]);
  const common = { audit: true, key: 'encoder' };
  expect(records).toEqual([
    { ...common, action: 'createWhip', target: { room: 'lobby' }, outcome: 'FORBIDDEN' },
    { ...common, action: 'deleteWhep', target: { room: 'lobby', participant: 'pt_a' }, outcome: 'ok' },
  ]);
});
