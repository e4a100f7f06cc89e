import type { Random } from './random.ts';

/** What mutations draw from. */
export interface Material {
  readonly random: Random;
  /** Inputs to take parts of. */
  readonly others: readonly Buffer[];
  /** Texts that mean something to the parser. */
  readonly words: readonly string[];
  /** Maximum length of a mutated input, in bytes. */
  readonly maxBytes: number;
}

/** Texts that parsers treat in different ways: line ends, Unicode, escapes, names of prototypes, numbers at limits. */
const commonWords = [
  ...['', '\0', '\n', '\r', '\r\n', '\r\n\r\n', '\t', ' ', ',', ';', ':', '=', '"', '\\', '/', '%', '%zz', '%00'],
  ...['\u2028', '\uFEFF', '\u00A0', '\u0130', '\u{1F600}', '\\ud800', '\\u0000'],
  ...['__proto__', 'constructor', 'toString', 'null', 'true', '[]', '{}', '[', '{"'],
];
/** Bytes that are not UTF-8: one that never occurs, an overlong slash, half of a surrogate pair, an incomplete character. */
const notUtf8 = ['ff', 'c0af', 'eda080', 'e282'].map((hex) => Buffer.from(hex, 'hex'));

export const extremeNumbers = [
  ...['0', '-0', '-1', '1', '00', '0x10', '1e3', '1.5', '127', '128', '255', '256', '65535', '65536'],
  ...['2147483647', '2147483648', '4294967295', '4294967296', '9007199254740991', '9007199254740993'],
  ...['18446744073709551615', '18446744073709551616', '1e308', '1e400', '-1e400', '1e-400', 'NaN', 'Infinity'],
  '9'.repeat(400),
];

/** Bytes in place of those from `at` to `end`. */
const put = (bytes: Buffer, at: number, end: number, replacement: Buffer | string): Buffer =>
  Buffer.concat([bytes.subarray(0, at), Buffer.from(replacement as string), bytes.subarray(end)]);

type Mutation = (bytes: Buffer, material: Material) => Buffer;

const flipBits: Mutation = (bytes, { random }) => {
  const changed = Buffer.from(bytes);
  for (let count = 1 + random.below(4); count > 0 && changed.length > 0; count--)
    changed[random.below(changed.length)]! ^= 1 << random.below(8);
  return changed;
};

const truncate: Mutation = (bytes, { random }) => {
  const at = random.below(bytes.length + 1);
  return random.oneIn(4) ? bytes.subarray(at) : bytes.subarray(0, at);
};

const remove: Mutation = (bytes, { random }) => {
  const at = random.below(bytes.length);
  return put(bytes, at, at + 1 + random.below(8), '');
};

/** A part once more, behind itself. */
const duplicate: Mutation = (bytes, { random }) => {
  const at = random.below(bytes.length);
  const end = at + 1 + random.below(bytes.length - at);
  return put(bytes, end, end, bytes.subarray(at, end));
};

/** A part so often that the input has its maximum length: what takes quadratic time or memory shows then. */
const inflate: Mutation = (bytes, { random, maxBytes }) => {
  const at = random.below(bytes.length);
  const part = bytes.subarray(at, at + 1 + random.below(6));
  const room = maxBytes - bytes.length;
  return part.length === 0 || room <= 0 ? bytes : put(bytes, at, at, Buffer.alloc(room, part));
};

/** The start of the input and the end of another. */
const splice: Mutation = (bytes, { random, others }) => {
  const other = random.of(others);
  return Buffer.concat([bytes.subarray(0, random.below(bytes.length + 1)), other.subarray(random.below(other.length))]);
};

const insertWord: Mutation = (bytes, { random, words }) => {
  const at = random.below(bytes.length + 1);
  const end = random.oneIn(2) ? at : at + random.below(6);
  if (random.oneIn(8)) return put(bytes, at, end, random.of(notUtf8));
  return put(bytes, at, end, random.of(words.length > 0 && random.oneIn(2) ? words : commonWords));
};

/** A number in text, replaced. */
const replaceNumber: Mutation = (bytes, { random }) => {
  const numbers = [...bytes.toString('latin1').matchAll(/\d+/g)];
  if (numbers.length === 0) return bytes;
  const { 0: digits, index } = random.of(numbers);
  return put(bytes, index, index + digits.length, random.of(extremeNumbers));
};

/** A false length: an integer of 1, 2, 4 or 8 bytes at a limit, or near the number of bytes that follow, or a varint. */
const falsifyLength: Mutation = (bytes, { random }) => {
  const at = random.below(bytes.length);
  if (random.oneIn(5))
    return put(bytes, at, at + 1, Buffer.from('ffffffffffffffffff7f'.slice(random.below(18)), 'hex'));
  const size = random.of([1, 2, 4, 8] as const);
  const follow = bytes.length - at - size;
  const lie = random.of([0, 1, follow - 1, follow + 1, follow * 2, 2 ** 15, 2 ** 31, -1]);
  const value = Buffer.alloc(8);
  value.writeBigInt64BE(BigInt(lie));
  const integer = value.subarray(8 - size);
  return put(bytes, at, at + size, random.oneIn(3) ? Buffer.from(integer.toReversed()) : integer);
};

const mutations: readonly Mutation[] = [
  flipBits,
  truncate,
  remove,
  duplicate,
  inflate,
  splice,
  insertWord,
  insertWord,
  replaceNumber,
  falsifyLength,
];

/** The input with one to four changes, at most `maxBytes` long. */
export function mutateBytes(bytes: Buffer, material: Material): Buffer {
  let changed = bytes;
  for (let count = 1 + material.random.below(4); count > 0; count--)
    changed = material.random.of(mutations)(changed, material);
  return changed.subarray(0, material.maxBytes);
}
