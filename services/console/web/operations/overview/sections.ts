import {
  type Canary,
  type MigrationRecord,
  noVersion,
  type OpenBreaker,
  type Operations,
  type RunningExperiment,
  type ScalingRecord,
} from '@flotilla/contracts';
import { html, nothing, type TemplateResult } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import type { BurnWindow, ObjectiveFigures, ObjectivesView } from '../../../src/operations/view.ts';
import { icons } from '../../shared/icons.ts';
import { gapOf, reasons, stepOf } from '../migration-text.ts';
import type { OrderQuestion } from './order-dialog.ts';
import {
  agoText,
  burnText,
  durationText,
  objectiveState,
  percentText,
  phaseNames,
  roleOf,
  scalingCauses,
  scalingText,
  valueText,
  versionName,
  versionsOf,
} from './texts.ts';

/** Asks before an order is given; undefined when the key may give none. */
export type Ask = ((question: OrderQuestion) => void) | undefined;

type Node = Operations['nodes'][number];

/** How many rows of a list are shown. */
const shownRows = 20;
/** The windows that have columns. */
const windows: readonly BurnWindow[] = ['1h', '6h', '3d'];

const section = (id: string, title: string, content: TemplateResult): TemplateResult =>
  html`<section aria-labelledby=${id} data-testid=${id}>
    <h2 id=${id}>${title}</h2>
    ${content}
  </section>`;

const none = (text: string | TemplateResult): TemplateResult => html`<p class="none">${text}</p>`;

const state = (text: string, mark: string): TemplateResult => html`<span class="mark ${mark}">${text}</span>`;

const heads = (...names: readonly string[]): TemplateResult =>
  html`<thead>
    <tr>
      ${names.map((name) => html`<th scope="col" class=${name.startsWith('#') ? 'number' : ''}>${name.replace('#', '')}</th>`)}
    </tr>
  </thead>`;

const orderButton = (ask: NonNullable<Ask>, id: string, text: string, question: OrderQuestion): TemplateResult =>
  html`<button class="small" data-testid=${id} @click=${() => ask(question)}>${text}</button>`;

/** Chaos experiments come first: what they break is broken on purpose. */
export function chaosBanner(experiments: readonly RunningExperiment[], now: number): TemplateResult | typeof nothing {
  if (experiments.length === 0) return nothing;
  return html`<ul class="chaos" data-testid="chaos" aria-label="Running chaos experiments">
    ${experiments.map(
      ({ name, summary, by, startedAt, endsAt }) =>
        html`<li>
          ${icons.warning}
          <p>
            <b>Chaos experiment ${name} runs:</b> ${summary}
            <span class="quiet"
              >Announced by ${by} ${agoText(startedAt, now)}, over in ${durationText(endsAt - now)} at most.</span
            >
          </p>
        </li>`,
    )}
  </ul>`;
}

export function objectivesSection({ prometheus, problem, ageMs, objectives }: ObjectivesView): TemplateResult {
  if (prometheus === 'off')
    return section(
      'objectives',
      'Objectives',
      none(
        html`Without Prometheus their burn is not known. Set <code>FLOTILLA_PROMETHEUS_URL</code> of the console, in the
          chart <code>console.prometheus.url</code>, to the Prometheus that has the rules of Flotilla.`,
      ),
    );
  const budgeted = objectives.filter(({ budget }) => budget !== undefined);
  const levels = objectives.filter(({ budget }) => budget === undefined);
  const isAbnormal = levels.some((each) => ['warn', 'bad'].includes(objectiveState(each).mark));
  return section(
    'objectives',
    'Objectives',
    html`
      ${
        prometheus === 'failed'
          ? html`<p class="warning" role="status">
              ${icons.warning}
              <span>
                Prometheus: ${problem}.
                ${ageMs === undefined ? 'There are no figures.' : `The figures are ${durationText(ageMs)} old.`}
              </span>
            </p>`
          : nothing
      }
      <table aria-labelledby="objectives">
        ${heads('Objective', '#Target', '#Burn 1 h', '#6 h', '#3 d', 'State')}
        <tbody>
          ${repeat(budgeted, ({ id }) => id, budgetRow)}
        </tbody>
      </table>
      <details ?open=${isAbnormal}>
        <summary>Bounds (${levels.length})</summary>
        <table aria-label="Bounds">
          ${heads('Value', '#Bound', '#Now', 'State')}
          <tbody>
            ${repeat(levels, ({ id }) => id, levelRow)}
          </tbody>
        </table>
      </details>
      <p class="quiet">
        Burn: how many times faster than evenly over 30 days the error budget is used up. Alerts page from 14.4× for 1 h
        or 6× for 6 h.
      </p>
    `,
  );
}

function budgetRow(objective: ObjectiveFigures): TemplateResult {
  const { text, mark } = objectiveState(objective);
  const { title, budget = 0, burn = {} } = objective;
  const label = { '1h': 'Burn 1 h', '6h': 'Burn 6 h', '3d': 'Burn 3 d' };
  return html`<tr>
    <th scope="row" class="wide">${title}</th>
    <td class="number" data-label="Target">${percentText(1 - budget)}</td>
    ${windows.map(
      (window) =>
        html`<td class="number ${(burn[window] ?? 0) > 1 ? 'over' : ''}" data-label=${label[window]}>
          ${burnText(burn[window])}
        </td>`,
    )}
    <td data-label="State">${state(text, mark)}</td>
  </tr>`;
}

function levelRow(objective: ObjectiveFigures): TemplateResult {
  const { text, mark } = objectiveState(objective);
  const { title, above, unit, value } = objective;
  return html`<tr>
    <th scope="row" class="wide">${title}</th>
    <td class="number" data-label="Bound">${valueText(above, unit)}</td>
    <td class="number" data-label="Now">${valueText(value, unit)}</td>
    <td data-label="State">${state(text, mark)}</td>
  </tr>`;
}

export function nodesSection(
  nodes: readonly Node[],
  canary: Canary | undefined,
  now: number,
  ask: Ask,
): TemplateResult {
  if (nodes.length === 0) return section('nodes', 'SFU nodes', none('No SFU node reports.'));
  return section(
    'nodes',
    `SFU nodes (${nodes.length})`,
    html`<table aria-labelledby="nodes">
      ${heads('Node', 'State', 'Version', '#Sessions', '#CPU', '#To move', ...(ask ? ['Orders'] : []))}
      <tbody>
        ${repeat(
          nodes,
          ({ id }) => id,
          (node) => nodeRow(node, canary, now, ask),
        )}
      </tbody>
    </table>`,
  );
}

function nodeRow(node: Node, canary: Canary | undefined, now: number, ask: Ask): TemplateResult {
  const { id, reserved, capacity, cpu, hottestCpu = cpu, version = noVersion, quality } = node;
  const { text, mark } = nodeState(node, now);
  const role = roleOf(version, canary);
  return html`<tr data-testid="node">
    <th scope="row" class="id">${id}</th>
    <td data-label="State">${state(text, mark)}</td>
    <td data-label="Version">
      <span class="id"
        >${versionName(version)}${role === '' ? nothing : html` <span class="tag ${role}">${role}</span>`}</span
      >
    </td>
    <td class="number" data-label="Sessions">${reserved} of ${capacity}</td>
    <td class="number ${hottestCpu > 0.9 ? 'over' : ''}" data-label="CPU">${Math.round(hottestCpu * 100)} %</td>
    <td class="number ${quality && quality.move > 0 ? 'over' : ''}" data-label="To move">${quality?.move ?? '–'}</td>
    ${ask ? html`<td data-label="Orders"><span class="orders">${nodeOrders(node, ask)}</span></td>` : nothing}
  </tr>`;
}

function nodeState({ alive, state: of, drain }: Node, now: number): { text: string; mark: string } {
  if (!alive) return { text: 'not alive', mark: 'bad' };
  if (drain) return { text: `draining: ${drain.left} left, ${durationText(drain.deadline - now)} to go`, mark: 'warn' };
  return { text: of, mark: of === 'active' ? 'good' : 'warn' };
}

function nodeOrders({ id, alive, state: of, reserved }: Node, ask: NonNullable<Ask>): TemplateResult | typeof nothing {
  if (!alive) return nothing;
  const cordon = orderButton(ask, 'cordon', 'Cordon', {
    label: `Cordon ${id}`,
    question: 'No new participants are assigned to it. Those on it stay.',
    order: { kind: 'cordon', node: id },
  });
  const uncordon = orderButton(ask, 'uncordon', 'Uncordon', {
    label: `Uncordon ${id}`,
    question: 'Participants are assigned to it again. A drain ends, and those that were not moved yet stay.',
    order: { kind: 'uncordon', node: id },
  });
  const drain = orderButton(ask, 'drain', 'Drain', {
    label: `Drain ${id}`,
    question: `Its ${reserved} sessions are migrated to other nodes, and its process ends when it is empty.`,
    order: { kind: 'drain', node: id },
  });
  if (of === 'active') return html`${cordon}${drain}`;
  return of === 'draining' ? uncordon : html`${uncordon}${drain}`;
}

export function canarySection(
  nodes: readonly Node[],
  canary: Canary | undefined,
  now: number,
  ask: Ask,
): TemplateResult {
  return section(
    'canary',
    'Versions and canary',
    html`
      ${
        canary
          ? canaryState(canary, now)
          : none(html`The canary is off: <code>FLOTILLA_CANARY=true</code> of the autoscaler turns it on.`)
      }
      ${canary && ask ? html`<p class="orders">${canaryOrders(canary, ask)}</p>` : nothing}
      ${
        nodes.length === 0
          ? nothing
          : html`<table aria-label="Versions">
              ${heads('Version', 'Role', '#Nodes', '#Sessions', '#Share')}
              <tbody>
                ${repeat(
                  versionsOf(nodes, canary),
                  ({ version }) => version,
                  ({ version, role, nodes: count, sessions, share }) =>
                    html`<tr>
                      <th scope="row" class="id">${versionName(version)}</th>
                      <td data-label="Role">
                        ${role === '' ? nothing : html`<span class="tag ${role}">${role}</span>`}
                      </td>
                      <td class="number" data-label="Nodes">${count}</td>
                      <td class="number" data-label="Sessions">${sessions}</td>
                      <td class="number" data-label="Share">${percentText(share)}</td>
                    </tr>`,
                )}
              </tbody>
            </table>`
      }
      ${canary && canary.comparisons.length > 0 ? comparisons(canary) : nothing}
      ${canary?.crashes ? crashes(canary.crashes) : nothing}
    `,
  );
}

function canaryState(
  { phase, since, candidate, stable, share, decision, excluded }: Canary,
  now: number,
): TemplateResult {
  const mark = { observing: 'busy', promoted: 'good', evacuating: 'bad', evacuated: 'bad' }[phase];
  return html`
    <p class="verdict" data-testid="verdict">
      ${state(`${phaseNames[phase]} for ${durationText(now - since)}`, mark)}
      <span>
        stable <span class="id">${versionName(stable)}</span>${
          candidate === undefined
            ? nothing
            : html`, candidate
                <span class="id">${versionName(candidate)}</span
                >${phase === 'observing' ? ` with ${percentText(share)} of the joins` : nothing}`
        }
      </span>
    </p>
    <p class="quiet">Decided ${agoText(decision.at, now)} by ${decision.by}:</p>
    <ul class="reasons">
      ${decision.reasons.map((reason) => html`<li>${reason}</li>`)}
    </ul>
    ${excluded.length === 0 ? nothing : html`<p class="quiet">Excluded: ${excluded.join(', ')}</p>`}
  `;
}

function canaryOrders({ phase, candidate = '', excluded }: Canary, ask: NonNullable<Ask>): TemplateResult {
  const hasCandidate = candidate !== '' && phase !== 'promoted';
  return html`
    ${
      hasCandidate
        ? orderButton(ask, 'promote', 'Promote', {
            label: `Promote ${candidate}`,
            question: 'It becomes the stable version and gets all participants.',
            order: { kind: 'promote', candidate },
          })
        : nothing
    }
    ${
      phase === 'observing'
        ? orderButton(ask, 'evacuate', 'Evacuate', {
            label: `Evacuate ${candidate}`,
            question: 'Its participants are migrated to the stable version, and it is excluded.',
            order: { kind: 'evacuate', candidate },
          })
        : nothing
    }
    ${
      hasCandidate || excluded.length > 0
        ? orderButton(ask, 'reset', 'Reset', {
            label: 'Reset the canary',
            question:
              'Excluded versions are cleared and the observation ends. Nodes of another version than the stable one are a new candidate then.',
            order: { kind: 'reset' },
          })
        : nothing
    }
  `;
}

const sideText = ({ mean, samples }: Canary['comparisons'][number]['stable']): TemplateResult =>
  html`<span>${mean.toFixed(3)} <span class="quiet">of ${samples}</span></span>`;

const comparisons = ({ comparisons: of }: Canary): TemplateResult =>
  html`<table aria-label="Comparison">
    ${heads('Mean cost', '#Stable', '#Candidate', '#Worse', '#As good')}
    <tbody>
      ${of.map(
        ({ measure, stable, candidate, worse, asGood }) =>
          html`<tr>
            <th scope="row">${measure}</th>
            <td class="number" data-label="Stable">${sideText(stable)}</td>
            <td class="number" data-label="Candidate">${sideText(candidate)}</td>
            <td class="number" data-label="Worse">${percentText(worse)}</td>
            <td class="number" data-label="As good">${percentText(asGood)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`;

const crashes = ({ stable, candidate, worse }: NonNullable<Canary['crashes']>): TemplateResult =>
  html`<p class="quiet">
    Crashes: stable ${stable.crashes} in ${stable.nodeMinutes.toFixed(1)} node-minutes, candidate ${candidate.crashes}
    in ${candidate.nodeMinutes.toFixed(1)}. Confidence that the candidate crashes more often: ${percentText(worse)}.
  </p>`;

export function scalingsSection(scalings: readonly ScalingRecord[], now: number): TemplateResult {
  if (scalings.length === 0)
    return section('scalings', 'Scale decisions', none('No autoscaler has decided on the number of SFU nodes.'));
  return section(
    'scalings',
    'Scale decisions',
    html`<ol class="list">
      ${repeat(
        scalings.slice(0, shownRows),
        ({ at, nodes }) => `${at} ${nodes}`,
        (record) =>
          html`<li>
            <b>${scalingText(record)}</b> <span class="when">${agoText(record.at, now)}</span>
            <p class="quiet">
              ${scalingCauses[record.cause]}; ${record.sessions} sessions, ${Math.ceil(record.expectedSessions)}
              expected, CPU ${record.cpu.toFixed(1)}
              cores${record.replicas === undefined ? nothing : `, ${record.replicas} pods`}
            </p>
          </li>`,
      )}
    </ol>`,
  );
}

export function breakersSection(breakers: readonly OpenBreaker[], now: number): TemplateResult {
  return section(
    'breakers',
    'Circuit breakers',
    breakers.length === 0
      ? none('All breakers that services report are closed.')
      : html`<ol class="list">
          ${breakers.map(
            ({ caller, target, state: of, since }) =>
              html`<li>
                ${state(of === 'open' ? 'open' : 'half open', of === 'open' ? 'bad' : 'warn')}
                <span class="id">${caller}</span> to <span class="id">${target}</span>
                <span class="when">${agoText(since, now)}</span>
              </li>`,
          )}
        </ol>`,
  );
}

export function migrationsSection(migrations: readonly MigrationRecord[], now: number): TemplateResult {
  if (migrations.length === 0) return section('migrations', 'Migrations', none('No participant was migrated yet.'));
  return section(
    'migrations',
    `Migrations (${migrations.length})`,
    html`<table aria-labelledby="migrations">
        ${heads('Participant', 'From', 'To', 'Reason', 'State', 'Began', '#Duration', '#Video gap')}
        <tbody>
          ${repeat(
            migrations.slice(0, shownRows),
            ({ id }) => id,
            (migration) => migrationRow(migration, now),
          )}
        </tbody>
      </table>
      ${migrations.length > shownRows ? html`<p class="quiet">The newest ${shownRows} are shown.</p>` : nothing}`,
  );
}

function migrationRow(migration: MigrationRecord, now: number): TemplateResult {
  const { participantId, roomId, fromNode, toNode, reason, end, ms, startedAt, endedAt } = migration;
  // Media of a lost node is opened again rather than moved.
  const took = ms ?? (endedAt === undefined || reason === 'node_lost' ? undefined : endedAt - startedAt);
  const mark = end === undefined ? 'busy' : { committed: 'good', rolled_back: 'warn', timed_out: 'bad' }[end];
  return html`<tr data-testid="migration">
    <th scope="row" class="id short" title="${participantId} in ${roomId}">${participantId}</th>
    <td class="id" data-label="From">${fromNode}</td>
    <td class="id" data-label="To">${toNode}</td>
    <td data-label="Reason">${reasons[reason]}</td>
    <td data-label="State">${state(stepOf(migration), mark)}</td>
    <td class="nowrap" data-label="Began">${agoText(startedAt, now)}</td>
    <td class="number" data-label="Duration">${took === undefined ? nothing : `${Math.round(took)} ms`}</td>
    <td class="number" data-label="Video gap">${gapOf(migration, now) || nothing}</td>
  </tr>`;
}
