// Sets the examples of docs/protocol-metadata.md between their marks: an SDP answer, and a frame in hex.

import { between } from './between.mjs';

/** @param {'answer' | 'frame'} name */
const marks = (name) => ({
  begin: `<!-- ${name}: made by \`npm run generate\` -->`,
  end: `<!-- end of ${name} -->`,
});

/** @param {Uint8Array} bytes */
const hex = (bytes) =>
  [...bytes]
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join(' ')
    .replaceAll(/((?:\S\S ){16})/g, '$1\n')
    .replaceAll(' \n', '\n')
    .trim();

/**
 * The page with its examples.
 * @param {string} page
 * @param {Pick<typeof import('@flotilla/contracts'), 'requestExamples'>} contracts
 * @param {Pick<typeof import('@flotilla/data-channel'), 'answerTo' | 'encodeFrame' | 'stampFrame'>} dataChannel
 */
export function withMetadataExamples(page, { requestExamples }, { answerTo, encodeFrame, stampFrame }) {
  const answer = answerTo('a=mid:0', requestExamples['metadata.connect'].reply);
  const payload = new TextEncoder().encode('{"x":1}');
  const shard = {
    topic: 'cursor',
    seqId: 3,
    total: 1,
    size: payload.length,
    captureTime: 1_795_395_600_000_000,
    payload,
  };
  const frame = encodeFrame({ body: { case: 'shard', value: shard } });
  const stamp = { publisherId: 'pt_7k3m9q2x4v8n1c5d', routedAt: 1_795_395_600_002_000 };
  const stamped = stampFrame(frame, stamp);
  const shown = { ...shard, payload: '{"x":1}' };
  const frames = `The client sends the message \`{"x":1}\` in one shard. Its fields, other than the defaults, and its ${frame.length} bytes:

\`\`\`text
${JSON.stringify(shown)}

${hex(frame)}
\`\`\`

The relay appends its stamp to these bytes. Subscribers receive ${stamped.length} bytes; the appended ones are:

\`\`\`text
${JSON.stringify(stamp)}

${hex(stamped.subarray(frame.length))}
\`\`\``;
  const sdp = `\`\`\`text\n${answer.replaceAll('\r\n', '\n').trim()}\n\`\`\``;
  return between(between(page, marks('answer'), sdp), marks('frame'), frames);
}
