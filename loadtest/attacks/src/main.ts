import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, loadavg, setPriority } from 'node:os';
import { startFleet } from '@flotilla/local-fleet';
import { endTransports } from '@flotilla/light-peer';
import {
  endOnStopRequest,
  endProgress,
  markdown,
  number,
  oneOf,
  progress,
  readOptions,
  runInfo,
  writeReport,
} from '@flotilla/loadtest-kit';
import { RestApi } from '@flotilla/testkit';
import type { Target } from './attacker.ts';
import type { Order, Outcome } from './attacker-process.ts';
import { attacks } from './attacks/index.ts';
import { HonestPair } from './honest-pair.ts';
import { RedisMemory } from './redis-memory.ts';
import { failures, head, type Result, row } from './report.ts';

const about = `Two participants exchange media, messages and mutes over a fleet of two gateways, one SFU node and one relay, first at
rest and then beside one attack after the other. Fails when they are disconnected or lose messages, when Redis grows beyond what
docs/limits.md allows, and when an attacker gets an answer that no document names. Times are shown, not judged.

${attacks.map((attack) => `  ${attack.name.padEnd(18)} ${attack.about}`).join('\n')}`;

const options = readOptions('bench:attacks', about, {
  seconds: number('length of an attack', 60, 5, 3600),
  rest: number('seconds at rest before each attack', 20, 5, 3600),
  only: oneOf(
    'default: all',
    attacks.map(({ name }) => name),
  ),
});
endOnStopRequest();

/** The attackers run on the machine of the fleet; they shall not take its processor time. */
const attackerNiceness = 10;
const attackerGraceMs = 60_000;

async function attackWith(order: Order): Promise<Outcome> {
  const child = fork(new URL('./attacker-process.js', import.meta.url), { execArgv: [] });
  setPriority(child.pid!, attackerNiceness);
  child.send(order);
  try {
    const answered = once(child, 'message', { signal: AbortSignal.timeout(order.seconds * 1000 + attackerGraceMs) });
    const ended = once(child, 'exit').then(([code]) => [{ answers: [], error: `the attacker ended with ${code}` }]);
    const [outcome] = await Promise.race([answered, ended]);
    return outcome as Outcome;
  } catch (error) {
    return { answers: [], error: String(error) };
  } finally {
    child.kill('SIGKILL');
  }
}

const fleet = await startFleet({ sfuNodes: 1, gateways: 2, port: 0, env: { FLOTILLA_NAMESPACE: 'bench-attacks' } });
const api = new RestApi(fleet.registryUrl, fleet.apiKey);
const redis = await RedisMemory.connect(fleet.redisUrl);
let pair: HonestPair | undefined;
try {
  const pairRoom = await api.newRoom('honest');
  pair = await HonestPair.join(api, pairRoom, fleet.gatewayUrls);
  const target: Target = {
    gatewayUrl: fleet.gatewayUrls[0]!,
    registryUrl: fleet.registryUrl,
    apiKey: fleet.apiKey,
    pairRoom,
    pairUser: HonestPair.users[0],
  };
  const results: Result[] = [];
  for (const attack of attacks.filter(({ name }) => options.only === undefined || name === options.only)) {
    progress(`${attack.name}: at rest`);
    const rest = await pair.measure(options.rest);
    progress(`${attack.name}: under attack`);
    const begin = await redis.begin();
    const order = { attack: attack.name, target, seconds: options.seconds };
    const [outcome, attacked] = await Promise.all([attackWith(order), pair.measure(options.seconds)]);
    const result = { attack, rest, attacked, redis: { begin, peak: await redis.peak() }, outcome };
    results.push(result);
    progress(row(result).join(' | '));
  }
  endProgress();
  const found = results.flatMap(failures);
  const shown = {
    title: 'Attacks',
    heading: `Two participants beside attacks of ${options.seconds} s`,
    ...runInfo(),
    about: `The pair sends 40 messages and 4 mutes a second. Attackers, pair and fleet share the machine. Load average of the last minute: ${loadavg()[0]!.toFixed(1)} for ${availableParallelism()} cores.`,
    goals: [
      {
        what: 'pair connected, nothing lost, Redis within its limits, attackers refused as documented',
        met: found.length === 0,
        figure: found.length === 0 ? `${results.length} of ${results.length} attacks` : found.join('; '),
      },
    ],
    tables: [{ title: 'Attacks', head, rows: results.map(row) }],
  };
  console.log(`\n${shown.machine}. ${shown.about}\n\n${markdown(shown.goals, shown.tables)}\n`);
  writeReport(import.meta.url, shown, { ...runInfo(), options, rows: results.map(row) });
  if (found.length > 0) process.exitCode = 1;
} finally {
  pair?.close();
  endTransports();
  redis.close();
  await fleet.stop();
}
