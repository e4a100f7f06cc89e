import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { SessionScan } from '../src/sessions/session-scan.ts';
import type { Session } from '../src/sessions/session.ts';
import { SessionTable } from '../src/sessions/session-table.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const add = (table: SessionTable, id: string): void => table.add({ id, identity: { userId: id } } as Session);

describe('session scan', () => {
  test('visits every session once per scan and at most 11 per tick, also sessions that are added meanwhile', () => {
    const table = new SessionTable();
    for (let id = 0; id < 1000; id++) add(table, `s${id}`);
    const visits = new Map<string, number>();
    let most = 0;
    let inTick = 0;
    let scans = 0;
    const scan = new SessionScan(
      table,
      1000,
      ({ id }) => {
        visits.set(id, (visits.get(id) ?? 0) + 1);
        most = Math.max(most, ++inTick);
      },
      () => scans++,
      () => undefined,
    );
    scan.start();
    const pass = (ticks: number): void => {
      for (let tick = 0; tick < ticks; tick++) {
        inTick = 0;
        vi.advanceTimersByTime(10);
      }
    };
    pass(101);
    expect(new Set(visits.values())).toEqual(new Set([1, 2]));
    expect(visits.size).toBe(1000);
    expect([...visits.values()].filter((times) => times === 2).length).toBeLessThanOrEqual(20);
    expect(most).toBeLessThanOrEqual(11);

    visits.clear();
    table.remove(table.get('s999')!);
    add(table, 'late');
    pass(205);
    expect([...visits.entries()].filter(([, times]) => times < 2 || times > 3)).toEqual([]);
    expect([visits.has('s999'), visits.has('late')]).toEqual([false, true]);

    for (const session of [...table]) table.remove(session);
    scans = 0;
    pass(30);
    expect(scans).toBe(3);
    scan.stop();
    pass(30);
    expect(scans).toBe(3);
  });

  test('a visit that throws is reported, and the other sessions are visited', () => {
    const table = new SessionTable();
    for (const id of ['s0', 'damaged', 's1']) add(table, id);
    const visited = new Set<string>();
    const failed = new Set<string>();
    const scan = new SessionScan(
      table,
      100,
      ({ id }) => {
        if (id === 'damaged') throw new Error('damaged');
        visited.add(id);
      },
      () => undefined,
      ({ id }) => failed.add(id),
    );
    scan.start();
    vi.advanceTimersByTime(200);
    scan.stop();
    expect([[...visited], [...failed]]).toEqual([['s0', 's1'], ['damaged']]);
  });
});
