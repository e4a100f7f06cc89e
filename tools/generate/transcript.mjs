// Puts the recorded transcript (`npm run record`) between the marks of docs/protocol.md.
import { between } from './between.mjs';

const marks = {
  begin: '<!-- transcript: made by `npm run record` and `npm run generate` -->',
  end: '<!-- end of transcript -->',
};
const width = 110;

/** Long lists, of which only the first element is shown. */
const elided = new Set(['codecs', 'headerExtensions', 'rtcpFeedback', 'fingerprints', 'iceCandidates']);

/**
 * JSON on one line where it fits, with long lists cut after their first element.
 * @param {unknown} value @param {string} [indent] @param {string} [field]
 * @returns {string}
 */
function pretty(value, indent = '', field = '') {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const isList = Array.isArray(value);
  const inner = `${indent}  `;
  const isCut = isList && elided.has(field) && value.length > 1;
  const shown = isCut ? value.slice(0, 1) : value;
  const part = (/** @type {string} */ at) =>
    Object.entries(shown)
      .map(([key, each]) => (isList ? '' : `${JSON.stringify(key)}: `) + pretty(each, at, key))
      .concat(isCut ? ['…'] : []);
  const [open, close] = isList ? ['[', ']'] : ['{', '}'];
  const oneLine = `${open}${part('').join(', ')}${close}`;
  if (!oneLine.includes('\n') && indent.length + field.length + oneLine.length < width) return oneLine;
  return `${open}\n${part(inner)
    .map((each) => inner + each)
    .join(',\n')}\n${indent}${close}`;
}

/** @typedef {{ from: string, http?: string, message?: unknown }} Line */

/** @param {Line} line */
function lineOf({ from, http, message }) {
  const arrow = from === 'client' ? '→' : '←';
  const text = http === undefined ? pretty(message, '  ') : http.trim().replaceAll('\r\n', '\n  ');
  return `${arrow} ${text}`;
}

/**
 * The page with the transcript between its marks.
 * @param {string} page @param {readonly { title: string, lines: readonly Line[] }[]} steps
 */
export function withTranscript(page, steps) {
  const blocks = steps.map(({ title, lines }) => `**${title}**\n\n\`\`\`text\n${lines.map(lineOf).join('\n')}\n\`\`\``);
  return between(page, marks, blocks.join('\n\n'));
}
