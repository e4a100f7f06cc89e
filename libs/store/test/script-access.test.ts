import { describe, expect, test } from 'vitest';
import { scriptAccess } from '../src/redis/script-access.ts';
import { type ScriptName, scripts } from '../src/redis/scripts/generated/scripts.ts';

const names = Object.keys(scripts) as ScriptName[];
const commandsOn = (script: ScriptName, key: string): string[] =>
  [...scriptAccess(script).keys].flatMap(([command, keys]) => (keys.has(key) ? [command] : [])).toSorted();

describe('the access of a script', () => {
  test.each(names)('is known for %s', (name) => {
    expect(scriptAccess(name).keys.size).toBeGreaterThan(0);
  });

  test('has reads, staged writes, and what restores these', () => {
    expect(commandsOn('describeMedia', '{*}:members')).toEqual(['HEXISTS']);
    expect(commandsOn('describeMedia', '{*}:media-requests')).toEqual(['HDEL', 'HGET', 'HSET']);
    expect(commandsOn('confirmResume', 'resume:*')).toEqual(['DEL']);
  });

  test('has keys that a local variable holds, and those that a loop names', () => {
    expect(commandsOn('messagesToUser', 'user:*:inbox')).toEqual(['EXISTS', 'XINFO', 'XRANGE']);
    expect(commandsOn('deleteRoom', '{*}:retained')).toEqual(['DEL']);
  });

  test('lacks what the functions of an include do that the script does not call', () => {
    // Its includes can append to the room's events.
    expect(commandsOn('dropMigration', '{*}:events')).toEqual([]);
    expect([...scriptAccess('dropMigration').publishes]).toEqual([]);
    expect([...scriptAccess('putPublication').publishes]).toEqual(['{*}:events']);
  });
});
