import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { recordTranscript, shapeOf, standalone, transcriptPath } from '../src/index.ts';

test('the transcript in docs/protocol.md is what is said today: the same messages with the same fields', async () => {
  const topology = await standalone();
  try {
    const said = await recordTranscript(topology);
    expect(shapeOf(said), 'the protocol has changed: npm run record, then npm run generate').toEqual(
      shapeOf(JSON.parse(readFileSync(transcriptPath, 'utf8'))),
    );
  } finally {
    await topology.stop();
  }
});
