import { unitsOf } from './annex-b.ts';
import { BitReader } from './bit-reader.ts';
import { h264TypeOf, h264Types } from './h264.ts';
import { h265TypeOf, h265Types } from './h265.ts';

/** What a sequence parameter set says of its pictures. */
export interface VideoParameters {
  /** In pixels, after cropping. */
  readonly width: number;
  readonly height: number;
  /** Profile, constraints and level, as RFC 6381 and ISO/IEC 14496-15, annex E, write them: `42e01f`, `1.6.L93.b0`. */
  readonly profile: string;
  /** The parameter sets, in Annex B form. */
  readonly parameterSets: Buffer;
}

const maxPixels = 16_384;
/** Encoders send a few of each kind. */
const maxSets = 64;
const startCode = Buffer.of(0, 0, 0, 1);
const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, '0');
const inAnnexB = (units: readonly Buffer[]): Buffer => Buffer.concat(units.flatMap((unit) => [startCode, unit]));
const isSize = (value: number): boolean => Number.isInteger(value) && value > 0 && value <= maxPixels;

/** Profiles whose parameter sets have the fields of section 7.3.2.1.1 about chroma. */
const chromaProfiles = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/**
 * The parameters of an H.264 access unit; undefined when it has no sequence parameter set or no picture parameter set, or when the
 * first sequence parameter set cannot be parsed.
 */
export function h264Parameters(accessUnit: Buffer): VideoParameters | undefined {
  const sets = unitsOf(accessUnit)
    .filter((unit) => {
      const type = h264TypeOf(unit[0]!);
      return type === h264Types.sps || type === h264Types.pps;
    })
    .slice(0, maxSets);
  const sps = sets.find((unit) => h264TypeOf(unit[0]!) === h264Types.sps);
  if (!sps || sps.length < 4 || !sets.some((unit) => h264TypeOf(unit[0]!) === h264Types.pps)) return undefined;
  const reader = new BitReader(sps, 4);
  reader.unsigned();
  const chroma = chromaProfiles.has(sps[1]!) ? readChroma(reader) : 1;
  reader.unsigned();
  skipPictureOrder(reader);
  reader.unsigned();
  reader.bit();
  const [widthUnits, heightUnits] = [reader.unsigned() + 1, reader.unsigned() + 1];
  const isFrame = reader.bit();
  if (!isFrame) reader.bit();
  reader.bit();
  let [width, height] = [widthUnits * 16, heightUnits * 16 * (2 - isFrame)];
  if (reader.bit()) {
    const [left, right, top, bottom] = [reader.unsigned(), reader.unsigned(), reader.unsigned(), reader.unsigned()];
    width -= (left + right) * (chroma === 1 || chroma === 2 ? 2 : 1);
    height -= (top + bottom) * (chroma === 1 ? 2 : 1) * (2 - isFrame);
  }
  if (!reader.isValid || !isSize(width) || !isSize(height)) return undefined;
  const profile = hex(sps[1]!, 2) + hex(sps[2]!, 2) + hex(sps[3]!, 2);
  return { width, height, profile, parameterSets: inAnnexB(sets) };
}

/** Returns chroma_format_idc, with 0 where planes are separate. */
function readChroma(reader: BitReader): number {
  const format = reader.unsigned();
  const isSeparate = format === 3 && reader.bit() === 1;
  reader.unsigned();
  reader.unsigned();
  reader.bit();
  if (reader.bit())
    for (let list = 0; list < (format === 3 ? 12 : 8); list++) if (reader.bit()) skipScaling(reader, list);
  return isSeparate ? 0 : format;
}

/** Section 7.3.2.1.1.1. */
function skipScaling(reader: BitReader, list: number): void {
  let [last, next] = [8, 8];
  for (let at = 0; at < (list < 6 ? 16 : 64); at++) {
    if (next !== 0) next = (last + reader.signed() + 256) & 255;
    if (next !== 0) last = next;
  }
}

function skipPictureOrder(reader: BitReader): void {
  const type = reader.unsigned();
  if (type === 0) reader.unsigned();
  if (type !== 1) return;
  reader.bit();
  reader.signed();
  reader.signed();
  // At most 255 of them.
  for (let left = Math.min(255, reader.unsigned()); left > 0; left--) reader.signed();
}

/** The parameters of an H.265 access unit; undefined when it has no sequence parameter set, or one that cannot be parsed. */
export function h265Parameters(accessUnit: Buffer): VideoParameters | undefined {
  const sets = unitsOf(accessUnit)
    .filter((unit) => {
      const type = h265TypeOf(unit[0]!);
      return type >= h265Types.vps && type <= h265Types.pps;
    })
    .slice(0, maxSets);
  const sps = sets.find((unit) => h265TypeOf(unit[0]!) === h265Types.sps);
  if (!sps || sps.length < 15) return undefined;
  const reader = new BitReader(sps, 2);
  reader.bits(4);
  const subLayers = reader.bits(3);
  reader.bit();
  const profile = readProfile(reader);
  skipSubLayers(reader, subLayers);
  reader.unsigned();
  const chroma = reader.unsigned();
  const isSeparate = chroma === 3 && reader.bit() === 1;
  let [width, height] = [reader.unsigned(), reader.unsigned()];
  if (reader.bit()) {
    const [left, right, top, bottom] = [reader.unsigned(), reader.unsigned(), reader.unsigned(), reader.unsigned()];
    width -= (left + right) * (!isSeparate && (chroma === 1 || chroma === 2) ? 2 : 1);
    height -= (top + bottom) * (!isSeparate && chroma === 1 ? 2 : 1);
  }
  if (!reader.isValid || !isSize(width) || !isSize(height)) return undefined;
  return { width, height, profile, parameterSets: inAnnexB(sets) };
}

/** Section 7.3.3, of the stream as a whole. */
function readProfile(reader: BitReader): string {
  const space = ['', 'A', 'B', 'C'][reader.bits(2)]!;
  const tier = reader.bit() ? 'H' : 'L';
  const profile = reader.bits(5);
  let compatibility = 0;
  // The flags are written in reverse order.
  for (let at = 0; at < 32; at++) compatibility += reader.bit() * 2 ** at;
  const constraints = Array.from({ length: 6 }, () => reader.bits(8));
  while (constraints.at(-1) === 0) constraints.pop();
  const level = reader.bits(8);
  const flags = constraints.map((value) => `.${value.toString(16)}`).join('');
  return `${space}${profile}.${compatibility.toString(16)}.${tier}${level}${flags}`;
}

/** Section 7.3.3, of the sub-layers. */
function skipSubLayers(reader: BitReader, count: number): void {
  if (count === 0) return;
  const present = Array.from({ length: count }, () => reader.bits(2));
  for (let at = count; at < 8; at++) reader.bits(2);
  for (const flags of present) {
    if (flags & 2) for (let at = 0; at < 88; at++) reader.bit();
    if (flags & 1) reader.bits(8);
  }
}
