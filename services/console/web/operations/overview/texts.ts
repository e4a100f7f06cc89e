import {
  type Canary,
  type CanaryPhase,
  noVersion,
  type Operations,
  type ScalingCause,
  type ScalingRecord,
} from '@flotilla/contracts';
import type { ObjectiveFigures } from '../../../src/operations/view.ts';

type Node = Operations['nodes'][number];

/** Why a number of nodes was decided. */
export const scalingCauses: Record<ScalingCause, string> = {
  sessions: 'required by the sessions',
  cpu: 'required by the CPU',
  minimum: 'the minimum',
  maximum: 'the maximum, and more are required',
  stabilization: 'required within the stabilisation window',
  unknown: 'unchanged, because no SFU node reports',
};

/** `2 → 5 nodes`, or the first number. */
export const scalingText = ({ before, nodes }: ScalingRecord): string =>
  before === undefined || before === nodes ? `${nodes} nodes` : `${before} → ${nodes} nodes`;

export const phaseNames: Record<CanaryPhase, string> = {
  observing: 'observing',
  promoted: 'promoted',
  evacuating: 'evacuating',
  evacuated: 'evacuated',
};

/** Shows the version of nodes that report none as what it is. */
export const versionName = (version: string): string => (version === noVersion ? 'not reported' : version);

export interface VersionRow {
  readonly version: string;
  readonly nodes: number;
  readonly sessions: number;
  /** Share of the sessions of all nodes, 0 to 1. */
  readonly share: number;
  /** What the canary has it as. */
  readonly role: string;
}

/** The versions of the nodes, by name. */
export function versionsOf(nodes: readonly Node[], canary: Canary | undefined): VersionRow[] {
  const total = nodes.reduce((sum, { reserved }) => sum + reserved, 0);
  return [...Map.groupBy(nodes, ({ version = noVersion }) => version)]
    .map(([version, of]) => {
      const sessions = of.reduce((sum, { reserved }) => sum + reserved, 0);
      return {
        version,
        nodes: of.length,
        sessions,
        share: total === 0 ? 0 : sessions / total,
        role: roleOf(version, canary),
      };
    })
    .toSorted((a, b) => (a.version < b.version ? -1 : 1));
}

export function roleOf(version: string, canary: Canary | undefined): string {
  if (!canary) return '';
  if (canary.excluded.includes(version)) return 'excluded';
  if (version === canary.stable) return 'stable';
  if (version === canary.candidate) return 'candidate';
  return version === canary.previous ? 'previous' : '';
}

/** A duration in its largest unit: `12 s`, `4 min`, `3 h`. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}

export const agoText = (at: number, now: number): string => `${durationText(now - at)} ago`;

/** How many times faster than evenly a budget is used up. */
export function burnText(burn: number | undefined): string {
  if (burn === undefined) return '–';
  return `${burn >= 10 ? Math.round(burn) : Number(burn.toPrecision(2))}×`;
}

export const percentText = (share: number): string => `${Number((share * 100).toPrecision(4))} %`;

/** A bounded value with its unit. */
export function valueText(value: number | undefined, unit: ObjectiveFigures['unit']): string {
  if (value === undefined) return '–';
  if (unit === 'ratio') return percentText(value);
  const rounded = Number(value.toPrecision(3)).toLocaleString('en');
  return unit === 's' ? `${rounded} s` : rounded;
}

/** Text and severity of the state of an objective. */
export function objectiveState({ firing, burn = {}, value, above }: ObjectiveFigures): { text: string; mark: string } {
  if (firing === 'page') return { text: 'page', mark: 'bad' };
  if (firing === 'ticket') return { text: 'ticket', mark: 'warn' };
  const isKnown = Object.keys(burn).length > 0 || value !== undefined;
  if (!isKnown) return { text: 'no data', mark: '' };
  const isBurning =
    Object.values(burn).some((rate) => rate > 1) || (value !== undefined && value > (above ?? Infinity));
  return isBurning ? { text: above === undefined ? 'burning' : 'above', mark: 'warn' } : { text: 'met', mark: 'good' };
}
