import { MemoryEventLog } from '@flotilla/bus';
import { createLogger } from '@flotilla/runtime';
import { MemoryStore } from '@flotilla/store';
import { nodeReport } from '@flotilla/testkit';
import { afterEach, describe, expect, test } from 'vitest';
import { PipeChecks } from '../src/pipe-checks.ts';
import { PipeProbe } from '../src/pipe-probe.ts';

const log = createLogger({ service: 'test', level: 'silent' });
const ip = '127.0.0.1';

const open: PipeProbe[] = [];
afterEach(() => {
  for (const probe of open.splice(0)) probe.close();
});

async function probeOf(nodeId: string, ports?: { min: number; max: number }): Promise<PipeProbe> {
  const probe = await PipeProbe.open(nodeId, { ip, ports });
  open.push(probe);
  return probe;
}

const { nodes } = new MemoryStore(new MemoryEventLog(), Date.now);
const reports = (id: string, probePort: number): Promise<string[]> =>
  nodes.report(nodeReport(id, { pipes: { ip, probePort } }));

describe('a probe of the network path to another node', () => {
  test('is answered by the node that it names, and by no other at its address', async () => {
    const [own, other] = [await probeOf('nd_a'), await probeOf('nd_b')];
    expect(await own.reaches('nd_b', ip, other.port)).toBe(true);
    expect(await own.reaches('nd_c', ip, other.port)).toBe(false);
    const { port } = other;
    other.close();
    open.pop();
    expect(await own.reaches('nd_b', ip, port)).toBe(false);
  });

  test('comes from one of the ports for pipes', async () => {
    const first = await probeOf('nd_a', { min: 41_990, max: 41_999 });
    const second = await probeOf('nd_b', { min: 41_990, max: 41_999 });
    for (const { port } of [first, second]) expect(port).toBeGreaterThanOrEqual(41_990);
    expect(first.port).not.toBe(second.port);
    expect(await first.reaches('nd_b', ip, second.port)).toBe(true);
  });
});

describe('the checks of the addresses for pipes', () => {
  test('a node that does not answer twice is named with cause and cure, until it answers', async () => {
    const [own, other] = [await probeOf('nd_a'), await probeOf('nd_b')];
    const nobody = await probeOf('nd_x');
    const checks = new PipeChecks('nd_a', own, nodes, log);
    await reports('nd_a', own.port);
    await checks.round();
    expect(checks.problem()).toBeUndefined();
    await reports('nd_b', nobody.port);
    await checks.round();
    expect(checks.unreachable).toEqual([]);
    await reports('nd_b', nobody.port);
    await checks.round();
    expect(checks.unreachable).toEqual(['nd_b']);
    expect(checks.problem()).toMatch(
      `nd_b does not answer at ${ip}:${nobody.port}/UDP, where it receives pipes: it announces a loopback address`,
    );
    await reports('nd_b', other.port);
    await checks.round();
    expect(checks.unreachable).toEqual([]);
    expect(checks.problem()).toBeUndefined();
  });

  test('a round probes one node in turn and one that did not answer, however many there are', async () => {
    const ids = ['nd_a', 'nd_b', 'nd_c', 'nd_d', 'nd_e', 'nd_f'];
    const rounds: string[][] = [];
    const probe = {
      reaches: async (nodeId: string) => {
        rounds.at(-1)!.push(nodeId);
        return nodeId !== 'nd_d';
      },
    };
    const checks = new PipeChecks('nd_c', probe, nodes, log);
    for (let round = 0; round < 6; round++) {
      for (const id of ids) await reports(id, 1);
      rounds.push([]);
      await checks.round();
    }
    expect(rounds).toEqual([
      ['nd_d'],
      ['nd_e', 'nd_d'],
      ['nd_f', 'nd_d'],
      ['nd_a', 'nd_d'],
      ['nd_b', 'nd_d'],
      ['nd_d'],
    ]);
    expect(checks.unreachable).toEqual(['nd_d']);
    await nodes.remove('nd_d');
    for (const id of ids) if (id !== 'nd_d') await reports(id, 1);
    rounds.push([]);
    await checks.round();
    expect(checks.unreachable).toEqual([]);
  });
});
