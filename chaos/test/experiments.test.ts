import { describe, expect, test } from 'vitest';
import { experiments, lasting, readExperiment } from '../src/manifests/experiment.ts';
import { describeFault } from '../src/manifests/faults.ts';
import { objectiveOf } from '../src/measure/objectives.ts';
import { localRefusals, refusedBy } from '../src/refusals.ts';

const all = experiments();
const named = (name: string) => all.find((each) => each.name === name)!;

describe('the experiments', () => {
  test('are named after their files, and cover every kind of fault and every service', () => {
    expect(all.length).toBeGreaterThanOrEqual(25);
    expect(new Set(all.map(({ kind }) => kind))).toEqual(
      new Set(['PodChaos', 'NetworkChaos', 'StressChaos', 'TimeChaos', 'DNSChaos', 'Workflow']),
    );
    const names = all.map(({ name }) => name);
    for (const service of ['gateway', 'registry', 'sfu', 'relay', 'autoscaler', 'console'])
      expect(names).toEqual(expect.arrayContaining([`kill-${service}`, `fail-${service}`]));
  });

  test.for(all.map((each) => [each.name, each] as const))(
    '%s checks the steady state before, the fault, and the time after it',
    ([, { probes }]) => {
      expect(new Set(probes.map(({ phase }) => phase))).toEqual(new Set(['before', 'during', 'after']));
      for (const { measured } of probes)
        if (measured.kind === 'objective') expect(objectiveOf(measured.id), measured.id).toBeDefined();
    },
  );

  test('the delay of the registry is 500 ± 100 ms for 5 minutes', () => {
    const { steps } = named('delay-registry');
    expect(steps).toMatchObject([{ durationMs: 300_000, fault: { kind: 'delay', latencyMs: 500, jitterMs: 100 } }]);
    expect(describeFault(steps[0]!.fault!)).toBe('500 ± 100 ms from every pod of registry to everything');
  });

  test('a Workflow becomes its children in their order, with pauses', () => {
    expect(named('game-day').steps.map(({ name, fault }) => [name, fault?.kind])).toEqual([
      ['kill-sfu', 'pod-kill'],
      ['pause-1', undefined],
      ['slow-redis', 'delay'],
      ['pause-2', undefined],
      ['fail-registry', 'pod-failure'],
      ['pause-3', undefined],
      ['cut-sfu', 'partition'],
      ['pause-4', undefined],
    ]);
  });

  test('with another duration keep the proportion of their steps', () => {
    const steps = lasting(named('game-day'), 29_000).steps.map(({ durationMs }) => Math.round(durationMs));
    expect(steps.reduce((sum, each) => sum + each, 0)).toBe(29_000);
    expect(steps[0]).toBe(2000);
  });

  test('each is carried out by a local driver, or each of both says what to use instead', () => {
    for (const each of all)
      for (const refusal of [localRefusals.fleet(each), localRefusals.cluster(each)])
        if (refusal !== undefined) expect(refusal, each.name).toMatch(/Use --/);
    expect(localRefusals.fleet(named('delay-redis'))).toBeUndefined();
    expect(localRefusals.cluster(named('kill-sfu'))).toBeUndefined();
    expect(localRefusals.fleet(named('clock-gateway'))).toContain('--context');
    expect(localRefusals.cluster(named('loss-sfu'))).toBeUndefined();
    expect(refusedBy(named('kill-gateway'))).toBe('light peers');
  });
});

describe('a manifest', () => {
  const manifest = (change: (text: string) => string): string =>
    change(`apiVersion: chaos-mesh.org/v1alpha1
kind: PodChaos
metadata:
  name: kill-sfu
  namespace: flotilla
  annotations:
    chaos.flotilla.dev/hypothesis: Participants have media again on another node.
    chaos.flotilla.dev/steady-state: |
      before: gap_ms <= 1000
    chaos.flotilla.dev/blast-radius: One SFU node.
spec:
  action: pod-kill
  mode: one
  selector: { namespaces: [flotilla], labelSelectors: { app.kubernetes.io/name: flotilla } }
`);

  test.for([
    ['an unknown field', (text: string) => text.replace('mode: one', 'mode: one\n  speed: fast'), 'speed'],
    ['an unknown annotation', (text: string) => text.replace('blast-radius', 'blast'), 'blast'],
    ['a wrong duration', (text: string) => `${text}  duration: soon\n`, 'duration'],
    ['a probe of an unknown figure', (text: string) => text.replace('gap_ms', 'gaps'), '"gaps" is not one of'],
    ['a probe of no phase', (text: string) => text.replace('before:', 'then:'), 'begins with none of'],
  ] as const)('with %s is refused, and the error names file and field', ([, change, reason]) => {
    expect(() => readExperiment(manifest(change), 'a.yaml')).toThrow(
      expect.objectContaining({ message: expect.stringContaining(reason) as string }) as Error,
    );
    expect(() => readExperiment(manifest(change), 'a.yaml')).toThrow('a.yaml');
  });

  test('without a duration is observed for the time of its annotation, 20 s by default', () => {
    expect(
      readExperiment(
        manifest((text) => text),
        'a.yaml',
      ).steps[0]!.durationMs,
    ).toBe(20_000);
  });
});
