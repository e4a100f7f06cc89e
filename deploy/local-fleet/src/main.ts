import { parseArgs } from 'node:util';
import { startFleet } from './fleet.ts';

const usage = `npm run fleet -- [options]

Runs Flotilla as separate processes over real Redis and RabbitMQ: private ones, or those of REDIS_URL and AMQP_URL.

  --sfu-nodes N   SFU nodes (default 2)
  --gateways N    signaling gateways (default 1)
  --relays N      metadata relays (default 1)
  --port N        port of the call page (default 8080)
  --help          this text
`;

const colours = [36, 32, 33, 35, 34, 96, 92, 93, 95, 94];

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  console.error(`--${name} takes a whole number from ${least} to ${most}, not "${text}".`);
  process.exit(2);
}

function readOptions(): { 'sfu-nodes': string; gateways: string; relays: string; port: string } {
  try {
    const { values } = parseArgs({
      options: {
        'sfu-nodes': { type: 'string', default: '2' },
        gateways: { type: 'string', default: '1' },
        relays: { type: 'string', default: '1' },
        port: { type: 'string', default: '8080' },
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
const names: string[] = [];
const prefix = (name: string): string => {
  if (!names.includes(name)) names.push(name);
  const padded = name.padEnd(10);
  return process.stdout.isTTY ? `\x1b[${colours[names.indexOf(name) % colours.length]}m${padded}\x1b[0m` : padded;
};

console.log('Starting Redis, RabbitMQ and the services …');
const fleet = await startFleet({
  sfuNodes: wholeNumber('sfu-nodes', values['sfu-nodes'], 1, 16),
  gateways: wholeNumber('gateways', values.gateways, 1, 8),
  relays: wholeNumber('relays', values.relays, 1, 8),
  port: wholeNumber('port', values.port, 0, 65_535),
  onLine: (name, line) => console.log(`${prefix(name)} │ ${line}`),
  env: { FLOTILLA_LOG_FORMAT: 'pretty' },
}).catch((error: unknown) => {
  console.error(`\nThe fleet did not start: ${(error as Error).message}`);
  process.exit(1);
});

console.log(`
Flotilla is ready: ${fleet.pageUrl}
  REST API     ${fleet.registryUrl}   (Authorization: Bearer ${fleet.apiKey})
  signaling    ${fleet.gatewayUrls.join('  ')}
`);

let stopping = false;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    console.log('\nStopping …');
    void fleet.stop().then(() => process.exit(0));
  });
}
// One that ends by itself is told; the others go on, as in a cluster.
for (const [name, child] of fleet.processes)
  void child.exited.then((code) => stopping || console.log(`${prefix(name)} │ ended (${code})`));
