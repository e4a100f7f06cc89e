/** `npm run conformance`: runs a client's command against a standalone and prints each check. */
import { endTransports } from '@flotilla/light-peer';
import { onStopRequest } from '@flotilla/processes';
import { checkClient } from './conformance.ts';
import { standalone } from './topologies.ts';

const [command, ...args] = process.argv.slice(2) as [string, ...string[]];
const room = 'conformance';
onStopRequest((exitCode) => process.exit(exitCode));
const topology = await standalone();
try {
  await topology.api.createRoom({ name: room });
  for await (const { name, problem } of checkClient(topology, { command, args, room })) {
    console.log(problem === undefined ? `passed  ${name}` : `FAILED  ${name}: ${problem}`);
    if (problem !== undefined) process.exitCode = 1;
  }
} finally {
  endTransports();
  await topology.stop();
}
