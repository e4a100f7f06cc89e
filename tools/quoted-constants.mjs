// Checks numbers that the documents quote from the code. A quote is written "700 ms (`lostAfterMs`)", a default of a setting
// "30 s (`FLOTILLA_RESUME_WINDOW_SECONDS`)". A name that is not in `sources`, or ambiguous, names its file:
// "1,000 ms (`checkEveryMs` in `libs/media/src/worker-pool.ts`)".
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { documentPaths } from './document-links.mjs';
import { root } from './setup/steps.mjs';

/** The files that define the quoted constants. A name is in one of them only. */
const sources = [
  'libs/auth/src/api-keys.ts',
  'libs/auth/src/key-ring.ts',
  'libs/backplane/src/backplane.ts',
  'libs/bandwidth/src/gcc/arrival-groups.ts',
  'libs/bandwidth/src/gcc/gcc-estimator.ts',
  'libs/bandwidth/src/gcc/overuse-detector.ts',
  'libs/bandwidth/src/gcc/rate-control.ts',
  'libs/bandwidth/src/gcc/standing-queue.ts',
  'libs/bandwidth/src/gcc/trendline.ts',
  'libs/bus/src/commands/clock-comparison.ts',
  'libs/bus/src/commands/command-bus.ts',
  'libs/bus/src/events/event-log.ts',
  'libs/client/src/sfu/first-media.ts',
  'libs/contracts/src/commands.ts',
  'libs/contracts/src/metadata.ts',
  'libs/contracts/src/migration.ts',
  'libs/contracts/src/operations.ts',
  'libs/contracts/src/quality.ts',
  'libs/contracts/src/token.ts',
  'libs/data-channel/src/frames/limits.ts',
  'libs/media/src/peer-media.ts',
  'libs/media/src/publish-limits.ts',
  'libs/media/src/worker-pool.ts',
  'libs/store/src/node-store.ts',
  'libs/store/src/relay-store.ts',
  'libs/store/src/room-record.ts',
  'libs/store/src/room-store.ts',
  'libs/store/src/session-store.ts',
  'services/autoscaler/src/autoscaler.ts',
  'services/autoscaler/src/heartbeats.ts',
  'services/autoscaler/src/kubernetes/kubernetes-scaling.ts',
  'services/autoscaler/src/kubernetes/lease.ts',
  'services/autoscaler/src/leadership.ts',
  'services/autoscaler/src/liveness-probe.ts',
  'services/autoscaler/src/planner/settings.ts',
  'services/autoscaler/src/scaling/scaler.ts',
  'services/autoscaler/src/scaling/settings.ts',
  'services/console/src/console.module.ts',
  'services/metadata-relay/src/routing/room-budget.ts',
  'services/signaling-gateway/src/limits/request-costs.ts',
  'services/signaling-gateway/src/sessions/session-cleanup.ts',
  'services/signaling-gateway/src/sessions/session-scan.ts',
  'services/signaling-gateway/src/sessions/token-claims.ts',
];

/** The size of each unit in the unit of the constant, given by the suffix of its name: ms, seconds, or none. */
const units = {
  ms: { ms: 1, s: 1000, min: 60_000 },
  seconds: { s: 1, min: 60, h: 3600 },
  other: { '': 1, '%': 0.01, bytes: 1, KiB: 1024, MiB: 1024 ** 2 },
};

/** @param {string} name @returns {Record<string, number>} */
function unitsOf(name) {
  if (/Ms$|_MS$/.test(name)) return units.ms;
  return /Seconds$|_SECONDS$/.test(name) ? units.seconds : units.other;
}

/** @param {string} product such as `64 * 1024` or `2 ** 21` */
const evaluate = (product) =>
  product
    .replaceAll('_', '')
    .split(' * ')
    .map((factor) => factor.split(' ** ').map(Number))
    .reduce((result, [base = NaN, exponent = 1]) => result * base ** exponent, 1);

/** `const name = 700;` or, in a table of settings, `  name: 700,`. */
const definition = /^(?:export const|const| ) (?<name>\w+)(?: =|:) (?<value>[\d_.* ]+)[;,]$/gm;
/** A default in .env.example: `# NAME=30`. */
const setting = /^# (?<name>\w+)=(?<value>\d+)$/gm;

/**
 * The constants of source files, and the defaults of the settings in .env.example: by name, the values that may be quoted.
 * @param {readonly string[]} files
 * @returns {Map<string, readonly number[]>}
 */
function constants(files) {
  /** @type {Map<string, readonly number[]>} */
  const values = new Map();
  for (const source of files) {
    const text = readFileSync(join(root, source), 'utf8');
    for (const { groups } of text.matchAll(source === '.env.example' ? setting : definition)) {
      const { name = '', value = '' } = groups ?? {};
      const known = values.get(name);
      // A constant with two values is ambiguous in a quote. A setting may have another default in another service.
      if (known && source !== '.env.example') values.set(name, []);
      else values.set(name, [...(known ?? []), evaluate(value)]);
    }
  }
  return values;
}

/** The quotes that differ from the code, one sentence each. */
export async function wrongQuotes() {
  const values = constants([...sources, '.env.example']);
  return (await documentPaths()).flatMap((path) =>
    [
      ...readFileSync(join(root, path), 'utf8').matchAll(
        /([\d,.]*\d)(?: ([\w%]+))?\s+\(`(\w+)`(?: in `([\w./-]+)`)?\)/g,
      ),
    ].flatMap(([quote, number = '', unit = '', name = '', file]) => {
      const expected = (file === undefined ? values : constants([file])).get(name) ?? [];
      const factor = unitsOf(name)[unit];
      const quoted = factor === undefined ? NaN : Number(number.replaceAll(',', '')) * factor;
      return expected.some((value) => Math.abs(quoted - value) < 1e-9 * value)
        ? []
        : [`${path} says "${quote}", the code has ${name} = ${expected.join(' or ') || 'no or several values'}`];
    }),
  );
}
