import { expect, test } from 'vitest';
import { subjectOfUser, tenantOfRoom, tenantOfUser, UserId, userIdOf, userOfClaims } from '../src/index.ts';

test('a user id has the tenant in front of the claim sub, and is read back', () => {
  const id = userOfClaims({ sub: 'ada@example.com', tenant: 'acme' });
  expect(UserId.parse(id)).toBe('acme/ada@example.com');
  expect([tenantOfUser(id), subjectOfUser(id)]).toEqual(['acme', 'ada@example.com']);
  expect([tenantOfUser('ada'), subjectOfUser('ada')]).toEqual([undefined, 'ada']);
});

test('a user is named with its tenant or without it within the tenant, and not at all from outside', () => {
  expect([userIdOf('ada', 'acme'), userIdOf('acme/ada', 'acme'), userIdOf('ada', undefined)]).toEqual([
    'acme/ada',
    'acme/ada',
    'ada',
  ]);
  expect([userIdOf('beta/bob', 'acme'), userIdOf('beta/bob', undefined)]).toEqual([undefined, undefined]);
});

test('a user id with a second tenant, or a tenant of other characters, is invalid', () => {
  for (const id of ['acme/beta/ada', '/ada', 'ACME/ada', 'a-b/ada', 'acme/'])
    expect(UserId.safeParse(id).success).toBe(false);
});

test('a room id names its tenant', () => {
  expect([tenantOfRoom('rm_acme-0123'), tenantOfRoom('rm_0123')]).toEqual(['acme', undefined]);
});
