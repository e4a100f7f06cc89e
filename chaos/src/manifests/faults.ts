import type { z } from 'zod';
import { readDuration } from './duration.ts';
import type {
  Component,
  DnsChaosSpec,
  Manifest,
  NetworkChaosSpec,
  PodChaosSpec,
  StressChaosSpec,
  Template,
  TimeChaosSpec,
} from './schema.ts';

/** The pods that a fault hits, or that are at the other end of an impaired path. */
export interface Selection {
  /** Undefined: every pod of Flotilla. */
  readonly component: Component | undefined;
  readonly mode: 'one' | 'all';
}

interface Path {
  readonly direction: 'to' | 'from' | 'both';
  /** The other end. Undefined: everything. */
  readonly target: Selection | undefined;
}

/** A fault as drivers carry it out, without the form that Chaos Mesh gives it. */
export type Fault = { readonly on: Selection } & (
  | { readonly kind: 'pod-kill' | 'pod-failure' | 'container-kill' }
  | ({ readonly kind: 'delay'; readonly latencyMs: number; readonly jitterMs: number } & Path)
  /** `share` of lost packets, 0 to 1. */
  | ({ readonly kind: 'loss'; readonly share: number } & Path)
  | ({ readonly kind: 'partition' } & Path)
  | { readonly kind: 'cpu'; readonly workers: number; readonly percent: number }
  | { readonly kind: 'memory'; readonly workers: number; readonly size: string }
  | { readonly kind: 'clock'; readonly offsetMs: number }
  | { readonly kind: 'dns'; readonly patterns: readonly string[] }
);

/** A part of an experiment: a fault, or a pause, and how long it lasts. */
export interface Step {
  readonly name: string;
  readonly fault: Fault | undefined;
  /** Of a fault that is over at once: the time for which its effect is observed. */
  readonly durationMs: number;
}

type Selected = Pick<z.infer<typeof PodChaosSpec>, 'mode' | 'selector'>;

const selectionOf = ({ mode, selector }: Selected): Selection => ({
  component: selector.labelSelectors['app.kubernetes.io/component'],
  mode,
});

function networkFault(spec: z.infer<typeof NetworkChaosSpec>): Fault {
  const { action, direction, target, delay, loss } = spec;
  const path = { on: selectionOf(spec), direction, target: target && selectionOf(target) };
  if (action === 'partition') return { kind: 'partition', ...path };
  if (action === 'loss') {
    if (!loss) throw new RangeError('the action loss needs spec.loss');
    return { kind: 'loss', share: Number(loss.loss) / 100, ...path };
  }
  if (!delay) throw new RangeError('the action delay needs spec.delay');
  return {
    kind: 'delay',
    latencyMs: readDuration(delay.latency),
    jitterMs: readDuration(delay.jitter ?? '0s'),
    ...path,
  };
}

function stressFault(spec: z.infer<typeof StressChaosSpec>): Fault {
  const { cpu, memory } = spec.stressors;
  if (!cpu === !memory) throw new RangeError('an experiment stresses either the CPU or the memory');
  if (cpu) return { kind: 'cpu', on: selectionOf(spec), workers: cpu.workers, percent: cpu.load };
  return { kind: 'memory', on: selectionOf(spec), ...memory! };
}

const podFault = (spec: z.infer<typeof PodChaosSpec>): Fault => ({ kind: spec.action, on: selectionOf(spec) });
const clockFault = (spec: z.infer<typeof TimeChaosSpec>): Fault => ({
  kind: 'clock',
  on: selectionOf(spec),
  offsetMs: readDuration(spec.timeOffset),
});
const dnsFault = (spec: z.infer<typeof DnsChaosSpec>): Fault => ({
  kind: 'dns',
  on: selectionOf(spec),
  patterns: spec.patterns ?? [],
});

function faultOfTemplate(template: Template): Fault | undefined {
  switch (template.templateType) {
    case 'PodChaos':
      return podFault(template.podChaos);
    case 'NetworkChaos':
      return networkFault(template.networkChaos);
    case 'StressChaos':
      return stressFault(template.stressChaos);
    case 'TimeChaos':
      return clockFault(template.timeChaos);
    case 'DNSChaos':
      return dnsFault(template.dnsChaos);
    default:
      return undefined;
  }
}

function workflowSteps({ spec }: Extract<Manifest, { kind: 'Workflow' }>): Step[] {
  const find = (name: string): Template => {
    const template = spec.templates.find((each) => each.name === name);
    if (!template) throw new RangeError(`there is no template "${name}"`);
    return template;
  };
  const entry = find(spec.entry);
  if (entry.templateType !== 'Serial') throw new RangeError('the entry is not a Serial');
  return entry.children.map((name) => {
    const template = find(name);
    if (template.templateType === 'Serial') throw new RangeError('a Serial in a Serial is not supported');
    return { name, fault: faultOfTemplate(template), durationMs: readDuration(template.deadline) };
  });
}

function faultOf(manifest: Exclude<Manifest, { kind: 'Workflow' }>): Fault {
  switch (manifest.kind) {
    case 'PodChaos':
      return podFault(manifest.spec);
    case 'NetworkChaos':
      return networkFault(manifest.spec);
    case 'StressChaos':
      return stressFault(manifest.spec);
    case 'TimeChaos':
      return clockFault(manifest.spec);
    case 'DNSChaos':
      return dnsFault(manifest.spec);
  }
}

/**
 * The steps of an experiment, one after the other.
 *
 * @param observeMs duration of a fault that is over at once.
 */
export function stepsOf(manifest: Manifest, observeMs: number): Step[] {
  if (manifest.kind === 'Workflow') return workflowSteps(manifest);
  const { duration } = manifest.spec;
  return [
    {
      name: manifest.metadata.name,
      fault: faultOf(manifest),
      durationMs: duration === undefined ? observeMs : readDuration(duration),
    },
  ];
}

const all = (component: Component | undefined): string => component ?? 'Flotilla';

/** A fault in words, for the list and the time line. */
export function describeFault(fault: Fault): string {
  const on = `${fault.on.mode === 'one' ? 'one pod' : 'every pod'} of ${all(fault.on.component)}`;
  const path = (what: string, { direction, target }: Path): string => {
    const other = target ? all(target.component) : 'everything';
    const between = {
      to: `from ${on} to ${other}`,
      from: `from ${other} to ${on}`,
      both: `between ${on} and ${other}`,
    };
    return `${what} ${between[direction]}`;
  };
  switch (fault.kind) {
    case 'pod-kill':
      return `${on} is deleted without grace`;
    case 'container-kill':
      return `the container of ${on} is killed`;
    case 'pod-failure':
      return `${on} fails and stays down`;
    case 'delay':
      return path(`${fault.latencyMs} ± ${fault.jitterMs} ms`, fault);
    case 'loss':
      return path(`${fault.share * 100} % loss`, fault);
    case 'partition':
      return path('no packets', fault);
    case 'cpu':
      return `${fault.workers} processes use ${fault.percent} % of a core each in ${on}`;
    case 'memory':
      return `${fault.size} of memory are taken in ${on}`;
    case 'clock':
      return `the clock of ${on} is off by ${fault.offsetMs / 1000} s`;
    case 'dns':
      return `${fault.patterns.length === 0 ? 'every name' : fault.patterns.join(', ')} fails to resolve in ${on}`;
  }
}
