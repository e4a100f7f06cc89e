import { markdown, runInfo, writeReport } from '@flotilla/loadtest-kit';
import { simulationOptions } from './options.ts';
import { report } from './report.ts';
import { compareScaling } from './scaling.ts';
import { simulate } from './simulation.ts';

/** The simulated days of the number of nodes, with this many sessions at the busiest time. */
const [scaledDays, scaledPeak] = [3, 2000];

const options = simulationOptions();

console.log(`${options.hours} h of ${options.nodes} nodes and ${options.peers} peers, with the planner and without …`);
const results = {
  ...runInfo(),
  planned: simulate(options),
  unplanned: simulate({ ...options, plans: false }),
  scaling: compareScaling(scaledPeak, scaledDays),
};
const { violations } = results.planned;
const shown = report(results);
console.log(`\n${[markdown(shown.goals, shown.tables), ...violations.slice(0, 20)].join('\n')}\n`);
writeReport(import.meta.url, shown, results);
if (shown.goals.some(({ met }) => !met)) process.exitCode = 1;
