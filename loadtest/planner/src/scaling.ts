import { decide, emptyScalingMemory, type ScalingMemory, scalingSettings } from '@flotilla/autoscaler';
import { Random } from '@flotilla/loadtest-kit';

/** Sessions of a node at its capacity, and its CPU then. */
const capacity = 200;
const cpuWhenFull = 0.85;
/** Time until a new node takes participants: a pod that is scheduled and started. */
const startSeconds = 15;
/** Sessions that leave a node each second while it is emptied. */
const movesPerSecond = 10;
const minNodes = 2;
const maxNodes = 60;
const daySeconds = 86_400;
const meanSessionSeconds = 2400;

/** Joins in each second of a day, and the duration of each session. The same for every policy. */
export interface Day {
  readonly joins: readonly (readonly number[])[];
}

/**
 * A working day: sessions follow a curve with two peaks, and every half hour meetings begin within a minute.
 *
 * @param peak sessions at the busiest time, without meetings
 */
export function workingDay(peak: number, seed: number): Day {
  const random = new Random(seed);
  const joins = Array.from({ length: daySeconds }, (_, second) => {
    const hour = second / 3600;
    const bell = (at: number, width: number): number => Math.exp(-(((hour - at) / width) ** 2));
    const usual = peak * (0.05 + 0.95 * Math.max(bell(10.5, 2), bell(15, 2.2)));
    const inMeetingMinute = second % 1800 < 60;
    const rate = usual / meanSessionSeconds + (inMeetingMinute ? (usual * 0.15) / 60 : 0);
    return Array.from({ length: random.count(rate) }, () => Math.ceil(random.exponential(meanSessionSeconds)));
  });
  return { joins };
}

/** What a policy sees each second. */
export interface Situation {
  readonly second: number;
  readonly sessions: number;
  /** Nodes that take participants, and those that start. */
  readonly active: number;
  readonly starting: number;
}

/** Returns the number of nodes that there should be. */
export type Policy = (situation: Situation) => number;

export interface ScalingResult {
  readonly nodeHours: number;
  readonly refused: number;
  /** Sessions that were moved off nodes before these were removed. */
  readonly moved: number;
  /** Changes of the number from up to down or back. */
  readonly turns: number;
}

/** A day with a policy. Sessions are spread evenly; a join is refused when every active node is full. */
export function simulateScaling({ joins }: Day, policy: Policy, delaySeconds = startSeconds): ScalingResult {
  const departures = new Uint32Array(daySeconds + 1);
  let [sessions, active, nodeSeconds, refused, moved, turns, direction] = [0, minNodes, 0, 0, 0, 0, 0];
  /** When each starting node takes participants, and when each emptied one has ended. */
  let starting: number[] = [];
  let emptying: number[] = [];
  for (let second = 0; second < daySeconds; second++) {
    const isReady = (at: number): boolean => at <= second;
    active += starting.filter(isReady).length;
    starting = starting.filter((at) => !isReady(at));
    emptying = emptying.filter((at) => !isReady(at));
    sessions -= departures[second]!;
    for (const duration of joins[second]!) {
      if (sessions >= active * capacity) refused++;
      else {
        sessions++;
        departures[Math.min(daySeconds, second + duration)]!++;
      }
    }
    const wanted = Math.min(
      maxNodes,
      Math.max(minNodes, policy({ second, sessions, active, starting: starting.length })),
    );
    const change = wanted - active - starting.length;
    if (change !== 0 && direction !== 0 && Math.sign(change) !== direction) turns++;
    if (change !== 0) direction = Math.sign(change);
    for (let added = 0; added < change; added++) starting.push(second + delaySeconds);
    for (let removed = 0; removed < -change; removed++) {
      // Nodes that start have nobody to move. The others' sessions must fit elsewhere.
      if (starting.pop() !== undefined) continue;
      if (sessions > (active - 1) * capacity) break;
      const perNode = Math.round(sessions / active);
      moved += perNode;
      active--;
      emptying.push(second + Math.ceil(perNode / movesPerSecond));
    }
    nodeSeconds += active + starting.length + emptying.length;
  }
  return { nodeHours: nodeSeconds / 3600, refused, moved, turns };
}

/** As many nodes as have room for the sessions of each second, in no time. With `delaySeconds` 0 and a second's joins in advance. */
export function idealPolicy({ joins }: Day): Policy {
  return ({ second, sessions }) => Math.ceil((sessions + (joins[second + 1]?.length ?? 0)) / capacity);
}

/** The autoscaler's own, with its settings. It removes one node at a time. */
export function ownPolicy(): Policy {
  let memory: ScalingMemory = emptyScalingMemory;
  let emptyUntil = 0;
  const settings = { ...scalingSettings, min: minNodes, max: maxNodes };
  return ({ second, sessions, active, starting }) => {
    const current = active + starting;
    const demand = { sessions, cpu: (sessions / capacity) * cpuWhenFull, capacity };
    const decision = decide(demand, current, memory, settings, second * 1000);
    memory = decision.memory;
    if (decision.nodes >= current) return decision.nodes;
    if (second < emptyUntil) return current;
    emptyUntil = second + Math.ceil(sessions / active / movesPerSecond);
    return current - 1;
  };
}

/** A HorizontalPodAutoscaler on CPU with its defaults: every 15 s, 70 %, a tolerance of 10 %, and five minutes until it falls. */
export function hpaPolicy(): Policy {
  const [syncSeconds, targetCpu, tolerance, windowSeconds] = [15, 0.7, 0.1, 300];
  const recent: { readonly at: number; readonly nodes: number }[] = [];
  /** CPU of the last scrapes, which are 15 s apart: the metrics that it reads are of the interval before. */
  let [scraped, previous, current] = [0, 0, minNodes];
  return ({ second, sessions, active, starting }) => {
    if (second % syncSeconds !== 0) return current;
    previous = scraped;
    scraped = (sessions / (active * capacity)) * cpuWhenFull;
    const total = active + starting;
    const ratio = previous / targetCpu;
    const wanted = Math.abs(ratio - 1) <= tolerance ? total : Math.ceil(active * ratio);
    recent.push({ at: second, nodes: wanted });
    while (second - recent[0]!.at > windowSeconds) recent.shift();
    const atMost = total + Math.max(4, total);
    current = Math.min(atMost, Math.max(...recent.map(({ nodes }) => nodes)));
    return current;
  };
}

export interface ScalingComparison {
  readonly seeds: number;
  readonly peak: number;
  readonly own: ScalingResult;
  readonly hpa: ScalingResult;
  readonly ideal: ScalingResult;
}

/** Several days with each policy, summed up. */
export function compareScaling(peak: number, seeds: number): ScalingComparison {
  const days = Array.from({ length: seeds }, (_, index) => workingDay(peak, index + 1));
  const total = (run: (day: Day) => ScalingResult): ScalingResult =>
    days.map(run).reduce((sum, each) => ({
      nodeHours: sum.nodeHours + each.nodeHours,
      refused: sum.refused + each.refused,
      moved: sum.moved + each.moved,
      turns: sum.turns + each.turns,
    }));
  return {
    seeds,
    peak,
    own: total((day) => simulateScaling(day, ownPolicy())),
    hpa: total((day) => simulateScaling(day, hpaPolicy())),
    ideal: total((day) => simulateScaling(day, idealPolicy(day), 0)),
  };
}
