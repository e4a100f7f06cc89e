import { readFileSync } from 'node:fs';

/** Takes the announced address of a service from the file that `FLOTILLA_SFU_ANNOUNCED_ADDRESS_FILE` or that of the relay names. */
export function readAnnouncedAddress(env: NodeJS.ProcessEnv = process.env): void {
  for (const setting of ['FLOTILLA_SFU_ANNOUNCED_ADDRESS', 'FLOTILLA_RELAY_ANNOUNCED_ADDRESS']) {
    const file = env[`${setting}_FILE`];
    if (file === undefined) continue;
    env[setting] = readFileSync(file, 'utf8');
    delete env[`${setting}_FILE`];
  }
}
