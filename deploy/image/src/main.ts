#!/usr/local/bin/node
// `flotilla <service>`: the entry point of the image.
import { pathToFileURL } from 'node:url';
import { readAnnouncedAddress } from './announced-address.ts';
import { services } from './services.ts';

const checkable = Object.keys(services).filter((name) => name !== 'standalone');
const usage = `flotilla <service>
flotilla check <service>
flotilla check-call
flotilla node-address <file>

Services: ${Object.keys(services).join(', ')}
Settings are environment variables: see .env.example of the release. \`check\` reads them, tries Redis, RabbitMQ and the ports,
and prints one line for each problem. \`check-call\` makes a call of two participants through a fleet: FLOTILLA_SIGNAL_URL,
FLOTILLA_REGISTRY_URL and FLOTILLA_API_KEY name it. \`node-address\` writes the external address of the Kubernetes node NODE_NAME.
`;

function refuse(problem: string): void {
  console.error(`flotilla: ${problem}\n\n${usage}`);
  // EX_USAGE of sysexits.h.
  process.exitCode = 64;
}

async function start(name: keyof typeof services): Promise<void> {
  const { main, nodeFlags } = services[name];
  readAnnouncedAddress();
  // Some flags count only when Node starts. The process is replaced, so that the service receives the signals of the pod.
  if (nodeFlags.length > 0) process.execve!(process.execPath, [process.execPath, ...nodeFlags, main], process.env);
  process.argv = [process.execPath, main];
  await import(pathToFileURL(main).href);
}

const [name = '', ...rest] = process.argv.slice(2);
const [checked = ''] = rest;
if (name === '--help') console.log(usage);
else if (name === 'check' && rest.length === 1 && checkable.includes(checked)) {
  const { check } = await import('./check.ts');
  readAnnouncedAddress();
  process.exitCode = await check(checked as Parameters<typeof check>[0]);
} else if (name === 'check-call' && rest.length === 0) {
  const { checkCall } = await import('./check-call.ts');
  process.exitCode = await checkCall();
} else if (name === 'node-address' && rest.length === 1) {
  const { nodeAddress } = await import('./node-address.ts');
  process.exitCode = await nodeAddress(checked);
} else if (name === 'check') refuse(`check takes one of ${checkable.join(', ')}`);
else if (!Object.hasOwn(services, name)) refuse(`"${name}" is not a service`);
else if (rest.length > 0) refuse(`unexpected argument "${checked}"`);
else await start(name as keyof typeof services);
