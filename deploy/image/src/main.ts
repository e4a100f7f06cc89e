#!/usr/local/bin/node
// `flotilla <service>`: the entry point of the image.
import { pathToFileURL } from 'node:url';
import { services } from './services.ts';

const usage = `flotilla <service>

Services: ${Object.keys(services).join(', ')}
Settings are environment variables: see .env.example of the release.
`;

const [name = '', ...rest] = process.argv.slice(2);
if (name === '--help') {
  console.log(usage);
} else if (!Object.hasOwn(services, name) || rest.length > 0) {
  const problem = rest.length > 0 ? `unexpected argument "${rest[0]}"` : `"${name}" is not a service`;
  console.error(`flotilla: ${problem}\n\n${usage}`);
  // EX_USAGE of sysexits.h.
  process.exitCode = 64;
} else {
  const { main, nodeFlags } = services[name as keyof typeof services];
  // Some flags count only when Node starts. The process is replaced, so that the service receives the signals of the pod.
  if (nodeFlags.length > 0) process.execve!(process.execPath, [process.execPath, ...nodeFlags, main], process.env);
  process.argv = [process.execPath, main];
  await import(pathToFileURL(main).href);
}
