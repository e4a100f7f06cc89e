import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type PodState, reconcile, removedFirst, type WorkloadState } from '../src/kubernetes/reconcile.ts';

const bounds = { max: 10, emptyWithinMs: 60_000 };

type PodOptions = Partial<Omit<PodState, 'node'>> & Partial<NonNullable<PodState['node']>> & { isSilent?: boolean };
const pod = (name: string, options: PodOptions = {}): PodState => {
  const { id = `nd_${name}`, state = 'active', reserved = 10, isHeldBack = false, isSilent = false, ...more } = options;
  return {
    name,
    ready: true,
    terminating: false,
    machineLeaves: false,
    mark: undefined,
    markedForMs: 0,
    deletionCost: reserved > 0 ? Math.floor(Math.log2(reserved)) + 1 : undefined,
    mayFollow: true,
    ...more,
    node: isSilent ? undefined : { id, state, reserved, isHeldBack },
  };
};
const workload = (replicas: number, more: Partial<WorkloadState> = {}): WorkloadState => ({
  replicas,
  existing: replicas,
  isRollingOut: false,
  isRolloutPaused: false,
  isPaused: false,
  ...more,
});
const nothing = { marks: [], states: [], replicas: undefined };

describe('a reconciliation of the SFU pods', () => {
  test('changes nothing when the wanted number of pods serves', () => {
    expect(reconcile(workload(2), [pod('a'), pod('b')], 2, bounds)).toMatchObject({ ...nothing, outcome: 'Steady' });
  });

  test('scales out at once, also while pods start or are rolled out', () => {
    const pods = [pod('a'), pod('b', { ready: false, isSilent: true })];
    for (const isRollingOut of [false, true])
      expect(reconcile(workload(2, { isRollingOut }), pods, 5, bounds)).toMatchObject({
        replicas: 5,
        outcome: 'ScalingOut',
      });
  });

  test('removes the pod with the fewest sessions in steps: marked, cordoned, emptied, removed first', () => {
    const [a, c] = [pod('a', { reserved: 5 }), pod('c', { reserved: 9 })];
    const step = (b: PodOptions, existing = [a, pod('b', { reserved: 3, ...b }), c]) =>
      reconcile(workload(3), existing, 2, bounds);
    expect(step({})).toMatchObject({
      marks: [{ pod: 'b', mark: 'scale-in', deletionCost: expect.any(Number) }],
      states: [],
      replicas: undefined,
      outcome: 'ScalingIn',
    });
    expect(step({ mark: 'scale-in' })).toMatchObject({ marks: [], states: [{ nodeId: 'nd_b', state: 'cordoned' }] });
    expect(step({ mark: 'scale-in', state: 'cordoned' })).toMatchObject(nothing);
    // It stays the one, though another has fewer now.
    expect(step({ mark: 'scale-in', state: 'cordoned', reserved: 20 })).toMatchObject(nothing);
    expect(step({ mark: 'scale-in', state: 'cordoned', reserved: 0 })).toMatchObject({
      marks: [{ pod: 'b', mark: 'scale-in', deletionCost: removedFirst }],
      replicas: 2,
    });
  });

  test('lowers the number once per removed pod', () => {
    const emptied = pod('b', { mark: 'scale-in', state: 'cordoned', reserved: 0, deletionCost: removedFirst });
    const pods = [pod('a'), emptied, pod('c')];
    expect(reconcile(workload(2, { existing: 3 }), pods, 1, bounds)).toMatchObject(nothing);
    const removed = reconcile(workload(2), [pod('a'), { ...emptied, terminating: true }, pod('c')], 1, bounds);
    expect(removed).toMatchObject({ marks: [{ pod: 'a', mark: 'scale-in' }], replicas: undefined });
  });

  test('lets a pod that is being emptied serve again when it is needed', () => {
    const emptying = pod('b', { mark: 'scale-in', state: 'cordoned', deletionCost: removedFirst });
    const pods = (b: PodState) => [pod('a'), b, pod('c')];
    const step = (b: PodState) => reconcile(workload(3), pods(b), 3, bounds);
    expect(step(emptying)).toMatchObject({ marks: [], states: [{ nodeId: 'nd_b', state: 'active' }] });
    expect(step({ ...emptying, node: { ...emptying.node!, state: 'active' } })).toMatchObject({
      marks: [{ pod: 'b', mark: undefined, deletionCost: undefined }],
      // Once more, though it is active: from now on it refuses a late order of a previous leader to be cordoned.
      states: [{ nodeId: 'nd_b', state: 'active' }],
    });
  });

  test('removes a pod that does not empty after emptyWithinMs', () => {
    const stuck = pod('b', { mark: 'scale-in', state: 'cordoned', reserved: 1, markedForMs: bounds.emptyWithinMs });
    expect(reconcile(workload(2), [pod('a'), stuck], 1, bounds)).toMatchObject({ replicas: 1 });
  });

  test.each([
    ['a rollout', [pod('a'), pod('b'), pod('c')], workload(3, { isRollingOut: true })],
    ['the pause annotation', [pod('a'), pod('b'), pod('c')], workload(3, { isPaused: true })],
    ['a pod with sessions that is not ready', [pod('a', { ready: false }), pod('b'), pod('c')], workload(3)],
    ['a ready pod whose node does not report', [pod('a', { isSilent: true }), pod('b'), pod('c')], workload(3)],
  ] as const)('empties and removes no pod during %s', (_condition, pods, state) => {
    expect(reconcile(state, pods, 1, bounds)).toMatchObject(nothing);
  });

  test('has a rollout replace the pods with the fewest sessions first, and writes seldom for it', () => {
    const costOf = (reserved: number, deletionCost?: number, mayFollow = true) =>
      reconcile(workload(1), [pod('a', { reserved, deletionCost, mayFollow })], 1, bounds).marks[0]?.deletionCost;
    expect([1, 2, 3, 40].map((reserved) => costOf(reserved))).toEqual([1, 2, 2, 6]);
    const unchanged = [pod('a', { reserved: 0 }), pod('b', { reserved: 20, deletionCost: 4 })];
    expect(reconcile(workload(2), unchanged, 2, bounds).marks).toEqual([]);
    expect(
      reconcile(workload(1), [pod('a', { reserved: 9, deletionCost: undefined, mayFollow: false })], 1, bounds).marks,
    ).toEqual([]);
    expect(costOf(32, 4)).toBe(6);
    const emptied = [pod('a', { reserved: 0, deletionCost: 4 })];
    expect(reconcile(workload(1), emptied, 1, bounds).marks).toEqual([
      { pod: 'a', mark: undefined, deletionCost: undefined },
    ]);
  });

  test('takes away pods that are not ready and have no sessions at once, because Kubernetes removes them first', () => {
    const starting = pod('c', { ready: false, isSilent: true });
    expect(reconcile(workload(3), [pod('a'), pod('b'), starting], 1, bounds)).toMatchObject({ replicas: 2 });
  });

  test('empties the pods of a leaving machine and has others in their place, up to the maximum', () => {
    const pods = [pod('a'), pod('b', { machineLeaves: true })];
    expect(reconcile(workload(2), pods, 2, bounds)).toMatchObject({
      marks: [{ pod: 'b', mark: 'machine', deletionCost: expect.any(Number) }],
      replicas: 3,
    });
    expect(reconcile(workload(2), pods, 2, { ...bounds, max: 2 }).replicas).toBeUndefined();
    const marked = pod('b', { machineLeaves: true, mark: 'machine' });
    expect(reconcile(workload(3), [pod('a'), marked, pod('c')], 2, bounds).states).toEqual([
      { nodeId: 'nd_b', state: 'cordoned' },
    ]);
  });

  test('keeps a pod of a leaving machine open until another pod takes participants', () => {
    const leaving = (name: string, state: 'active' | 'cordoned' = 'active') =>
      pod(name, { machineLeaves: true, mark: 'machine', state });
    const statesOf = (...pods: PodState[]) => reconcile(workload(4), pods, 2, bounds).states;
    const starting = pod('c', { ready: false, isSilent: true });
    expect(statesOf(leaving('a'), leaving('b'), starting)).toEqual([]);
    expect(statesOf(leaving('a'), leaving('b'), pod('c', { state: 'cordoned' }))).toEqual([]);
    expect(statesOf(leaving('a'), leaving('b'), pod('c', { terminating: true }))).toEqual([]);
    expect(statesOf(leaving('a'), leaving('b'), pod('c'))).toEqual([
      { nodeId: 'nd_a', state: 'cordoned' },
      { nodeId: 'nd_b', state: 'cordoned' },
    ]);
    // The other pod was lost meanwhile.
    expect(statesOf(leaving('a', 'cordoned'))).toEqual([{ nodeId: 'nd_a', state: 'active' }]);
  });

  test('empties the pods of a leaving machine also while scaling is paused', () => {
    const pods = [pod('a'), pod('b', { machineLeaves: true })];
    expect(reconcile(workload(2, { isPaused: true }), pods, 5, bounds)).toMatchObject({
      marks: [{ pod: 'b', mark: 'machine' }],
      replicas: undefined,
      outcome: 'Paused',
    });
  });

  test('leaves a node alone that an operator cordoned, and has another pod in its place', () => {
    expect(reconcile(workload(2), [pod('a'), pod('b', { state: 'cordoned' })], 2, bounds)).toMatchObject({
      marks: [],
      states: [],
      replicas: 3,
    });
  });
});

describe('a reconciliation of pods of which a canary holds some back', () => {
  const paused = workload(4, { isRollingOut: true, isRolloutPaused: true });
  const heldBack = pod('d', { isHeldBack: true });

  test('has another pod in the place of one', () => {
    const pods = [pod('a'), pod('b'), pod('c'), heldBack];
    expect(reconcile(paused, pods, 4, bounds)).toMatchObject({ marks: [], states: [], replicas: 5 });
    expect(reconcile(workload(5), [...pods, pod('e')], 4, bounds)).toMatchObject({ ...nothing, outcome: 'Steady' });
  });

  test('has no other pod in the place of one while a rollout goes on', () => {
    const pods = [pod('a'), pod('b'), pod('c'), heldBack];
    expect(reconcile(workload(4, { isRollingOut: true }), pods, 4, bounds).replicas).toBeUndefined();
  });

  test('adds none where Kubernetes would start it with a version that is held back', () => {
    const others = [pod('c', { isHeldBack: true }), heldBack];
    expect(reconcile(paused, [pod('a'), pod('b'), ...others], 4, bounds).replicas).toBeUndefined();
    const all = ['a', 'b', 'c', 'd'].map((name) => pod(name, { isHeldBack: true }));
    expect(reconcile(workload(4), all, 4, bounds)).toMatchObject({ ...nothing, outcome: 'Steady' });
  });

  test('removes those without sessions when all are held back and there are too many', () => {
    const all = ['a', 'b'].map((name) => pod(name, { isHeldBack: true, reserved: 0 }));
    expect(reconcile(workload(2), all, 1, bounds)).toMatchObject({ marks: [{ pod: 'a', mark: 'scale-in' }] });
    const marked = [{ ...all[0]!, mark: 'scale-in' as const }, all[1]!];
    expect(reconcile(workload(2), marked, 1, bounds)).toMatchObject({ states: [], replicas: 1 });
  });

  test('removes another one when there are too many', () => {
    const pods = [pod('a', { reserved: 5 }), pod('b'), { ...heldBack, node: { ...heldBack.node!, reserved: 0 } }];
    expect(reconcile(workload(3), pods, 1, bounds).victim?.name).toBe('a');
  });

  test('keeps the pod of a leaving machine open while no other takes participants', () => {
    const leaving = pod('a', { machineLeaves: true, mark: 'machine' });
    expect(reconcile(workload(2), [leaving, heldBack], 1, bounds).states).toEqual([]);
  });
});

/** A Deployment's controllers, SFU nodes and the planner, one step at a time. */
class Model {
  readonly pods: { state: PodState; age: number }[] = [];
  replicas = 0;
  lost = 0;
  #names = 0;

  constructor(replicas: number) {
    this.replicas = replicas;
    this.kubernetes();
  }

  /** Removes pods in the order of a ReplicaSet, or adds some. */
  kubernetes(): void {
    const cost = ({ deletionCost }: PodState) => deletionCost ?? 0;
    while (this.pods.length > this.replicas) {
      this.pods.sort(
        (a, b) => Number(a.state.ready) - Number(b.state.ready) || cost(a.state) - cost(b.state) || a.age - b.age,
      );
      this.lost += this.pods.shift()!.state.node?.reserved ?? 0;
    }
    while (this.pods.length < this.replicas)
      this.pods.push({ age: 0, state: pod(`p${this.#names++}`, { ready: false, isSilent: true, reserved: 0 }) });
  }

  /** Pods become ready, and peers move off marked ones. */
  fleet(): void {
    for (const each of this.pods) {
      each.age++;
      if (each.age > 2 && !each.state.ready)
        each.state = {
          ...each.state,
          ready: true,
          node: { id: each.state.name, state: 'active', reserved: 0, isHeldBack: false },
        };
      if (each.state.mark && each.state.node) this.#move(each.state);
    }
  }

  #move(from: PodState): void {
    const to = this.pods.find(({ state }) => state.node?.state === 'active' && state.name !== from.name && !state.mark);
    if (!to || from.node!.reserved === 0) return;
    this.#reserve(from.name, -1);
    this.#reserve(to.state.name, 1);
  }

  #reserve(name: string, by: number): void {
    const found = this.pods.find(({ state }) => state.name === name)!;
    found.state = { ...found.state, node: { ...found.state.node!, reserved: found.state.node!.reserved + by } };
  }

  join(count: number): void {
    const open = this.pods.filter(({ state }) => state.node?.state === 'active');
    for (let left = count; left > 0 && open.length > 0; left--) this.#reserve(open[left % open.length]!.state.name, 1);
  }

  reconcile(wanted: number): void {
    const states = this.pods.map(({ state }) => state);
    const step = reconcile(workload(this.replicas), states, wanted, bounds);
    for (const { pod: name, mark, deletionCost } of step.marks) {
      const found = this.pods.find(({ state }) => state.name === name)!;
      found.state = { ...found.state, mark, deletionCost };
    }
    for (const { nodeId, state } of step.states) {
      const found = this.pods.find((each) => each.state.node?.id === nodeId)!;
      found.state = { ...found.state, node: { ...found.state.node!, state } };
    }
    this.replicas = step.replicas ?? this.replicas;
  }

  get serving(): number {
    return this.pods.filter(({ state }) => state.node?.state === 'active').length;
  }
}

describe('reconciliations one after another', () => {
  test('reach every wanted number, never remove a pod with sessions, and keep the wanted number serving', () => {
    const phase = fc.record({
      wanted: fc.integer({ min: 1, max: 6 }),
      joins: fc.nat({ max: 20 }),
      steps: fc.integer({ min: 1, max: 12 }),
    });
    fc.assert(
      fc.property(fc.array(phase, { minLength: 1, maxLength: 8 }), (phases) => {
        const model = new Model(2);
        let wanted = 2;
        const step = () => {
          const before = model.serving;
          model.reconcile(wanted);
          model.kubernetes();
          expect(model.serving).toBeGreaterThanOrEqual(Math.min(before, wanted));
          model.fleet();
        };
        for (const next of phases) {
          wanted = next.wanted;
          model.join(next.joins);
          for (let count = 0; count < next.steps; count++) step();
        }
        for (let count = 0; count < 800; count++) step();
        expect(model.pods.length).toBe(wanted);
        expect(model.serving).toBe(wanted);
        expect(model.lost).toBe(0);
      }),
    );
  });
});
