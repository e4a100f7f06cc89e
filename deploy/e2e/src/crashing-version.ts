/**
 * `node --import <this file> <main.js>` runs an SFU node as a version that crashes: its process is killed a second after it has opened
 * media for a participant. The node does not start when the edit does not fit its module.
 */
import { registerHooks } from 'node:module';

const edited = 'services/sfu-worker/dist/inbound/commands.js';
const before = `'sfu.ping': async () => ({}),`;
const opens = `'sfu.open_session': ({ roomId, ...request }) => `;
const crashMs = 1000;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (!url.endsWith(edited)) return loaded;
    const source = typeof loaded.source === 'string' ? loaded.source : new TextDecoder().decode(loaded.source);
    if (!source.includes(opens) || !source.includes(before)) throw new Error(`${url} does not contain ${opens}`);
    const crash = `setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${crashMs}) && `;
    return { ...loaded, source: source.replace(opens, `${opens}${crash}`) };
  },
});
