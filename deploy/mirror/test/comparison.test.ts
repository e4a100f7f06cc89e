import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Exchange, newId } from '@flotilla/contracts';
import { describe, expect, onTestFinished, test } from 'vitest';
import { differencesByShape, differencesByValue } from '../src/body-differences.ts';
import { compareCaptures, type ComparisonOptions } from '../src/comparison.ts';
import { textReport } from '../src/text-report.ts';

function exchange(requestId: string, more: Partial<Exchange> = {}): Exchange {
  return {
    at: 1,
    requestId,
    method: 'POST',
    path: '/v1/rooms',
    route: '/v1/rooms',
    status: 201,
    ms: 5,
    body: { name: 'daily' },
    ...more,
  };
}

/** Compares captures with these exchanges. A text is a line as it is. */
async function compare(
  production: readonly (Exchange | string)[],
  shadow: readonly (Exchange | string)[],
  options?: ComparisonOptions,
) {
  const dir = mkdtempSync(join(tmpdir(), 'flotilla-compare-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const [ours, theirs] = [production, shadow].map((lines, index) => {
    const path = join(dir, `${index}.jsonl`);
    writeFileSync(path, lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''));
    return path;
  });
  return compareCaptures([ours!], [theirs!], options);
}

const notFound = { status: 404, body: { error: { code: 'ROOM_NOT_FOUND', message: 'there is no room' } } };
const none = new Set<string>();

describe('the comparison of captures', () => {
  test('pairs exchanges by request, in any order, and counts those without a match, repeated and damaged', async () => {
    const report = await compare(
      [exchange('a'), exchange('b'), exchange('b'), exchange('of production'), '{"at":'],
      [exchange('b'), exchange('a'), exchange('of the shadow'), exchange('a'), '', '{"at":1}'],
    );
    expect(report).toMatchObject({
      read: { production: { exchanges: 4, damaged: 1 }, shadow: { exchanges: 4, damaged: 1 } },
      pairs: 2,
      unmatched: 1,
      repeated: 2,
      total: { pairs: 2, status: 0, body: 0, state: 0 },
      examples: [],
    });
  });

  test('reports differences of status and body with both values and traces, by route', async () => {
    const report = await compare(
      [exchange('a', { traceId: 'ours' }), exchange('b'), exchange('c', { method: 'DELETE', status: 204 })],
      [
        exchange('a', { status: 500, traceId: 'theirs', body: { error: { code: 'INTERNAL' } } }),
        exchange('b', { body: { name: 'weekly', more: true } }),
        exchange('c', { method: 'DELETE', status: 204 }),
      ],
    );
    expect(report.total).toMatchObject({ pairs: 3, status: 1, body: 1, state: 0 });
    expect(report.routes.map(({ route, pairs }) => [route, pairs])).toEqual([
      ['POST /v1/rooms', 2],
      ['DELETE /v1/rooms', 1],
    ]);
    expect(report.examples).toEqual([
      {
        kind: 'status',
        request: 'POST /v1/rooms',
        requestId: 'a',
        traces: { production: 'ours', shadow: 'theirs' },
        differences: [
          { at: 'status', production: 201, shadow: 500 },
          { at: '/error/code', production: undefined, shadow: 'INTERNAL' },
        ],
      },
      expect.objectContaining({
        kind: 'body',
        differences: [
          { at: '/name', production: 'daily', shadow: 'weekly' },
          { at: '/more', production: undefined, shadow: true },
        ],
      }),
    ]);
    expect(textReport(report)).toContain('/name: "daily" | "weekly"');
    expect(textReport(report)).toContain('production trace ours, shadow trace theirs');
  });

  test('counts what the shadow release cannot have as state, not as a difference', async () => {
    const report = await compare(
      [exchange('a'), exchange('b', notFound)],
      [exchange('a', notFound), exchange('b', notFound)],
    );
    expect(report.total).toMatchObject({ pairs: 2, status: 0, body: 0, state: 1 });
  });

  test('compares reads by shape, and by value when both sides are to have one state', async () => {
    const read = { method: 'GET', status: 200 };
    const sides = [
      [exchange('a', { ...read, body: { rooms: [{ name: 'a' }, { name: 'b' }], next: null } })],
      [exchange('a', { ...read, body: { rooms: [{ name: 'c' }], next: 'x' } })],
    ] as const;
    expect((await compare(...sides)).total.body).toBe(0);
    expect((await compare(...sides, { exact: true })).total.body).toBe(1);
    expect((await compare(...sides, { exact: true, ignore: ['rooms', 'next'] })).total.body).toBe(0);
  });

  test('compares large bodies by their hashes, those of reads only when both sides are to have one state', async () => {
    const large = (bodySha256: string, method: string): Exchange => {
      const { body: _, ...rest } = exchange(method, { method, status: 200, bodySha256 });
      return rest;
    };
    const sides = ['a', 'b'].map((hash) => [large(hash, 'GET'), large(hash, 'POST'), large('same', 'DELETE')]);
    expect((await compare(sides[0]!, sides[1]!)).total.body).toBe(1);
    expect((await compare(sides[0]!, sides[1]!, { exact: true })).total.body).toBe(2);
  });

  test('has quantiles of both sides, and from 20 pairs on, a test of which is slower', async () => {
    const ids = Array.from({ length: 40 }, (_, index) => String(index));
    const [ours, theirs] = [0, 20].map((more) => ids.map((id, index) => exchange(id, { ms: index + more })));
    const { total } = await compare(ours!, theirs!);
    expect(total.latencyMs).toMatchObject({ production: { p50: 19, p95: 37, p99: 39 }, shadow: { p50: 39 } });
    expect(total.latencyMs.test!.p).toBeLessThan(0.001);
    expect(total.latencyMs.test!.secondIsLarger).toBeGreaterThan(0.8);
    expect((await compare(ours!.slice(21), theirs!.slice(21))).total.latencyMs.test).toBeUndefined();
  });

  test('reports at most the examples that were asked for', async () => {
    const ids = Array.from({ length: 30 }, (_, index) => String(index));
    const report = await compare(
      ids.map((id) => exchange(id)),
      ids.map((id) => exchange(id, { status: 500 })),
      { examples: 3 },
    );
    expect(report.total.status).toBe(30);
    expect(report.examples).toHaveLength(3);
  });
});

describe('bodies by value', () => {
  test('are equal but for ids that stand for each other, times, cursors, generated names and what is ignored', () => {
    const body = () => {
      const [room, participant] = [newId('room'), newId('participant')];
      return {
        id: room,
        name: newId('room').slice(3),
        createdAt: Date.now() + Math.random(),
        expiresAt: new Date(Math.random() * 1e12).toISOString(),
        members: [{ id: participant, room }],
        user: `guest-${newId('session').slice(3)}`,
        next: `${Math.random()}`,
        load: Math.random(),
      };
    };
    expect(differencesByValue(body(), body(), new Set(['load']))).toEqual([]);
  });

  test('differ where one id stands for two, kinds differ, or a time is none', () => {
    expect(
      differencesByValue(
        { a: 'pt_1', b: 'pt_1', c: 'pt_2', at: 1, startedAt: 1 },
        { a: 'pt_8', b: 'pt_9', c: 'ss_2', at: 2, startedAt: null },
        none,
      ).map(({ at }) => at),
    ).toEqual(['/b', '/c', '/at', '/startedAt']);
  });

  test('differ in lengths of lists and in types, at places with escaped names', () => {
    expect(differencesByValue({ 'a/b': [1], c: {} }, { 'a/b': [1, 2], c: [] }, none)).toEqual([
      { at: '/a~1b/1', production: undefined, shadow: 2 },
      { at: '/c', production: {}, shadow: [] },
    ]);
  });
});

describe('bodies by shape', () => {
  test('are equal whatever values and numbers of elements they have', () => {
    expect(differencesByShape({ list: [{ a: 1 }, { a: 2, b: null }] }, { list: [{ a: 3, b: 'x' }] }, none)).toEqual([]);
    expect(differencesByShape({ list: [] }, { list: [{ a: 3 }] }, none)).toEqual([]);
  });

  test('differ in fields and types, at any depth', () => {
    expect(differencesByShape({ list: [{ a: 1, b: 'x' }], c: [] }, { list: [{ a: '1' }], c: {}, d: 1 }, none)).toEqual([
      { at: '/list/*/a', production: 'number', shadow: 'string' },
      { at: '/list/*/b', production: 'string', shadow: undefined },
      { at: '/c', production: 'array', shadow: 'object' },
      { at: '/d', production: undefined, shadow: 'number' },
    ]);
  });
});
