import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { apiKeyList, knownApiKey, newApiKey } from '../src/index.ts';

describe('API keys', () => {
  const backend = newApiKey('backend', ['rooms', 'tokens']);
  const operator = newApiKey('operator', '*');

  test('are found by the key that a client sends, with name and scopes, and others are not', () => {
    const known = apiKeyList().parse(`${backend.entry},\n${operator.entry}\n`);
    expect(knownApiKey(backend.key, known)).toMatchObject({ name: 'backend', scopes: ['rooms', 'tokens'] });
    expect(knownApiKey(operator.key, known)?.scopes).toEqual(['read', 'rooms', 'tokens', 'operate', 'faults']);
    expect(knownApiKey(newApiKey('backend', '*').key, known)).toBeUndefined();
    expect(knownApiKey('', [])).toBeUndefined();
  });

  test('are configured by their SHA-256, which does not open anything', () => {
    const hash = createHash('sha256').update(backend.key).digest('hex');
    expect(backend.entry).toBe(`backend:rooms+tokens:${hash}`);
    expect(knownApiKey(hash, apiKeyList().parse(backend.entry))).toBeUndefined();
  });

  test.each([
    ['a key instead of its hash', 'backend:rooms:secret-key-of-a-backend'],
    ['a key alone', 'secret-key-of-a-backend'],
    ['an unknown scope', backend.entry.replace('tokens', 'secrets')],
    ['no scope', backend.entry.replace('rooms+tokens', '')],
    ['a name twice', `${backend.entry},${backend.entry}`],
  ])('%s is refused by its place, and never quoted', (_what, text) => {
    const { success, error } = apiKeyList().safeParse(text);
    expect(success).toBe(false);
    expect(error?.issues[0]?.message).toMatch(/^entry [12] /);
    expect(error?.message).not.toContain('secret');
  });
});
