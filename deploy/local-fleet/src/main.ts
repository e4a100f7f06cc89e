import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { onStopRequest } from '@flotilla/processes';
import { localAddresses, loopbackAddress } from '@flotilla/runtime';
import { mediaAt, startFleet } from './fleet.ts';

const usage = readFileSync(new URL('../usage.txt', import.meta.url), 'utf8');

const colours = [36, 32, 33, 35, 34, 96, 92, 93, 95, 94];

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  console.error(`--${name} takes a whole number from ${least} to ${most}, not "${text}".`);
  process.exit(2);
}

interface Options {
  readonly 'sfu-nodes': string;
  readonly gateways: string;
  readonly relays: string;
  readonly port: string;
  readonly 'local-only': boolean;
}

function readOptions(): Options {
  try {
    const { values } = parseArgs({
      options: {
        'sfu-nodes': { type: 'string', default: '2' },
        gateways: { type: 'string', default: '1' },
        relays: { type: 'string', default: '1' },
        port: { type: 'string', default: '8080' },
        'local-only': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    return values;
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`);
    process.exit(2);
  }
}

const values = readOptions();

/** Media addresses: from the command line, else the environment, else of this machine and its network. */
async function mediaSettings(): Promise<Record<string, string>> {
  if (values['local-only']) return mediaAt([loopbackAddress]);
  const settings = mediaAt(await localAddresses());
  return Object.fromEntries(Object.entries(settings).map(([name, ips]) => [name, process.env[name] ?? ips]));
}

const names: string[] = [];
const prefix = (name: string): string => {
  if (!names.includes(name)) names.push(name);
  const padded = name.padEnd(10);
  return process.stdout.isTTY ? `\x1b[${colours[names.indexOf(name) % colours.length]}m${padded}\x1b[0m` : padded;
};

let stopping = false;
/** Ends with the process what is being started. */
let stop = (exitCode: number): void => process.exit(exitCode);
onStopRequest((exitCode) => {
  stopping = true;
  console.log('\nStopping …');
  stop(exitCode);
});

console.log('Starting Redis, RabbitMQ and the services …');
const fleet = await startFleet({
  sfuNodes: wholeNumber('sfu-nodes', values['sfu-nodes'], 1, 16),
  gateways: wholeNumber('gateways', values.gateways, 1, 8),
  relays: wholeNumber('relays', values.relays, 1, 8),
  port: wholeNumber('port', values.port, 0, 65_535),
  onLine: (name, line) => console.log(`${prefix(name)} │ ${line}`),
  env: { FLOTILLA_LOG_FORMAT: 'pretty', ...(await mediaSettings()) },
}).catch((error: unknown) => {
  console.error(`\nThe fleet did not start: ${(error as Error).message}`);
  process.exit(1);
});
stop = () => void fleet.stop().then(() => process.exit(0));

console.log(`
Flotilla is ready: ${fleet.pageUrl}
  REST API     ${fleet.registryUrl}   (Authorization: Bearer ${fleet.apiKey})
  signaling    ${fleet.gatewayUrls.join('  ')}
`);

// The other processes keep running, as in a cluster.
for (const [name, child] of fleet.processes)
  void child.exited.then((code) => stopping || console.log(`${prefix(name)} │ ended (${code})`));
