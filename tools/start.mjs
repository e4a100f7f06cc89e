// `npm start`: from a fresh checkout to a call between two browser tabs.
import { createServer } from 'node:net';
import { parseArgs } from 'node:util';
import { prepare } from './setup/prepare.mjs';
import { runInForeground } from './setup/run-service.mjs';
import { bold, runMain, SetupError } from './setup/steps.mjs';

const usage = `npm start -- [options]

Sets up what is missing, then runs all of Flotilla in one process. The page, signaling and the REST API are at localhost only;
media is received at 127.0.0.1 and at this machine's primary address, as Firefox sends none to 127.0.0.1.

  --port N        port of the page, signaling and the REST API (default 8080)
  --sfu-nodes N   SFU nodes inside the process (default 2)
  --local-only    media at 127.0.0.1 only: no network reaches it, and Firefox gets none
  --yes           install missing system packages without asking
  --help          this text

The REST API takes the key that the start prints, another one each time; FLOTILLA_API_KEYS sets lasting ones (npm run api-key).
Media at other addresses: FLOTILLA_SFU_LISTEN_IPS and FLOTILLA_RELAY_LISTEN_IPS, separated by commas.
`;

function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        port: { type: 'string', default: '8080' },
        'sfu-nodes': { type: 'string', default: '2' },
        'local-only': { type: 'boolean' },
        yes: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new SetupError(`${/** @type {Error} */ (error).message}\n\n${usage}`);
  }
  const number = (
    /** @type {'port' | 'sfu-nodes'} */ name,
    /** @type {number} */ least,
    /** @type {number} */ most,
  ) => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < least || value > most)
      throw new SetupError(`--${name} takes a whole number from ${least} to ${most}, not "${values[name]}".`);
    return value;
  };
  return {
    help: values.help,
    localOnly: values['local-only'],
    port: number('port', 0, 65_535),
    sfuNodes: number('sfu-nodes', 1, 16),
  };
}

/**
 * Checks the port before the set-up, which may take minutes, at both addresses of `localhost`.
 * @param {number} port
 */
async function checkPort(port) {
  for (const host of ['127.0.0.1', '::1']) {
    const server = createServer();
    const listening = new Promise((resolve, reject) => {
      server.once('error', reject).listen(port, host, () => server.close(resolve));
    });
    await listening.catch((/** @type {NodeJS.ErrnoException} */ error) => {
      if (error.code === 'EADDRINUSE')
        throw new SetupError(
          `Port ${port} is in use at ${host}. Stop what listens there, or choose another: npm start -- --port ${port + 1}`,
        );
      if (error.code === 'EACCES')
        throw new SetupError(`Port ${port} needs more rights. Choose one above 1023: npm start -- --port 8080`);
      // A machine without IPv6.
      if (host === '::1' && ['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(error.code ?? '')) return;
      throw error;
    });
  }
}

await runMain(async () => {
  const { help, localOnly, port, sfuNodes } = readOptions();
  if (help) {
    console.log(usage);
    return 0;
  }
  await checkPort(port);
  console.log(bold('Flotilla'));
  await prepare();
  return runInForeground('services/standalone/dist/main.js', [], {
    FLOTILLA_PORT: String(port),
    FLOTILLA_SFU_NODES: String(sfuNodes),
    ...(localOnly && { FLOTILLA_SFU_LISTEN_IPS: '127.0.0.1', FLOTILLA_RELAY_LISTEN_IPS: '127.0.0.1' }),
  });
});
