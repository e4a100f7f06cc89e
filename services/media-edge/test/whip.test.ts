import { apiKeyList, newApiKey } from '@flotilla/auth';
import { expect, test } from 'vitest';
import { ApiKeys } from '../src/inbound/api-keys.ts';
import { joinTokensFor } from '../src/whip.ts';

test('a WHIP session gets no further join token once its API key is removed, and renewals count as no requests', async () => {
  const { key, entry } = newApiKey('encoder', ['rooms']);
  let known = apiKeyList().parse(entry);
  let issued = 0;
  const tokens = joinTokensFor(new ApiKeys(() => known, 1), {
    issueToken: async () => ({ token: `token ${++issued}`, userId: 'encoder', expiresAt: '2030-01-01T00:00:00Z' }),
  });
  const token = tokens(key, { kind: 'whip', room: 'room' })!;
  for (let times = 1; times <= 10; times++) expect(await token()).toBe(`token ${times}`);
  known = [];
  await expect(token()).rejects.toMatchObject({ code: 'FORBIDDEN' });
  expect(issued).toBe(10);
});
