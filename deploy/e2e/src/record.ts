/** `npm run record`: records a session with a standalone for docs/protocol.md. */
import { writeFileSync } from 'node:fs';
import { standalone } from './topologies.ts';
import { recordTranscript, transcriptPath } from './transcript.ts';

const topology = await standalone();
try {
  writeFileSync(transcriptPath, `${JSON.stringify(await recordTranscript(topology), null, 2)}\n`);
} finally {
  await topology.stop();
}
console.log('wrote docs/protocol-transcript.json; now: npm run generate');
