/**
 * Returns a document with other text between two marks, which stay.
 * @param {string} page
 * @param {{ readonly begin: string, readonly end: string }} marks
 * @param {string} text
 */
export function between(page, { begin, end }, text) {
  const [before = '', rest] = page.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`a document lacks the marks "${begin}" and "${end}"`);
  return `${before}${begin}\n\n${text}\n\n${end}${after}`;
}
