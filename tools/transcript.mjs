// Sets the recorded transcript (`npm run record`) into docs/protocol.md, between the marks.
const begin = '<!-- transcript: made by `npm run record` and `npm run generate` -->';
const end = '<!-- end of transcript -->';
const width = 110;

/** Lists that are as long as there are codecs: the first of them shows what they hold. */
const elided = new Set(['codecs', 'headerExtensions', 'rtcpFeedback', 'fingerprints', 'iceCandidates']);

/** JSON that a person can read: what fits stands on one line, long lists end after their first element. */
function pretty(value, indent = '', field = '') {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const inner = `${indent}  `;
  const shown = isList && elided.has(field) ? value.slice(0, 1) : value;
  const part = (at) =>
    Object.entries(shown)
      .map(([key, each]) => (isList ? '' : `${JSON.stringify(key)}: `) + pretty(each, at, key))
      .concat(isList && shown.length < value.length ? ['…'] : []);
  const [open, close] = isList ? ['[', ']'] : ['{', '}'];
  const oneLine = `${open}${part('').join(', ')}${close}`;
  if (!oneLine.includes('\n') && indent.length + field.length + oneLine.length < width) return oneLine;
  return `${open}\n${part(inner)
    .map((each) => inner + each)
    .join(',\n')}\n${indent}${close}`;
}

function lineOf({ from, http, message }) {
  const arrow = from === 'client' ? '→' : '←';
  const text = http === undefined ? pretty(message, '  ') : http.trim().replaceAll('\r\n', '\n  ');
  return `${arrow} ${text}`;
}

/** The page with the transcript in its place. */
export function withTranscript(page, steps) {
  const [before, rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error('docs/protocol.md has no place for the transcript');
  const blocks = steps.map(({ title, lines }) => `**${title}**\n\n\`\`\`text\n${lines.map(lineOf).join('\n')}\n\`\`\``);
  return `${before}${begin}\n\n${blocks.join('\n\n')}\n\n${end}${after}`;
}
