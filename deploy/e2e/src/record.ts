/** `npm run record`: records a join against a standalone and puts it where docs/protocol.md is made from. */
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
