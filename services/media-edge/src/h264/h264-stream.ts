import { aggregate, disaggregate, fit, maxPayloadBytes, nalTypeOf, nalTypes } from './nal.ts';

/** Largest parameter set that is kept, in bytes. Those of cameras have some ten. */
const maxParameterSetBytes = 1024;
/** Highest id of a parameter set that is kept. Streams of cameras have one set of each kind, with id 0. */
const maxParameterSetId = 3;

/** Profiles that browsers decode everywhere, by `profile_idc`, and the `profile-level-id` that the fleet has for them. */
const levelIds: ReadonlyMap<number, string> = new Map([
  [66, '42e01f'],
  [77, '4d001f'],
]);
const profileNames: ReadonlyMap<number, string> = new Map([
  [88, 'Extended'],
  [100, 'High'],
  [110, 'High 10'],
  [122, 'High 4:2:2'],
  [244, 'High 4:4:4'],
]);

/** What a profile is: the one to publish with, or the name of one that is refused. */
export type Profile = { readonly levelId: string } | { readonly refused: string };

/** The packets of an H.264 stream as browsers need them: beginning with a key frame, with parameter sets in front of each. */
export class H264Stream {
  /** The last parameter sets of the SDP or the stream, by kind and id. */
  readonly #sets = new Map<string, Buffer>();
  #profile: Profile | undefined;
  #waitsForKeyFrame = true;
  /** Timestamp of the picture whose parameter sets were sent. */
  #setsSentAt: number | undefined;

  /** @param parameterSets those of the SDP (`sprop-parameter-sets`). */
  constructor(parameterSets: readonly Buffer[] = []) {
    for (const set of parameterSets) this.#keepIfSet(set);
  }

  /** The profile of the last sequence parameter set; undefined before the first one. */
  get profile(): Profile | undefined {
    return this.#profile;
  }

  get waitsForKeyFrame(): boolean {
    return this.#waitsForKeyFrame;
  }

  /** Drops everything up to the next key frame whose parameter sets are known: the source was replaced. */
  restart(): void {
    this.#waitsForKeyFrame = true;
    this.#setsSentAt = undefined;
  }

  #keepIfSet(nal: Buffer): void {
    if (nal.length > 1 && [nalTypes.sps, nalTypes.pps].some((type) => type === nalTypeOf(nal))) this.#keep(nal);
  }

  #keep(set: Buffer): void {
    const isSequence = nalTypeOf(set) === nalTypes.sps;
    // Behind the NAL header; in a sequence parameter set also behind the profile and the level.
    const id = unsignedAt(set, isSequence ? 4 : 1);
    if (id === undefined || id > maxParameterSetId || set.length > maxParameterSetBytes) return;
    // Copied, because the set is a view of a packet.
    this.#sets.set(`${nalTypeOf(set)} ${id}`, Buffer.from(set));
    if (isSequence) this.#profile = profileOf(set[1]!);
  }

  /** The payloads to send for one of the source, in order. None while it waits for a key frame, and for one that is malformed. */
  payloadsFor(payload: Buffer, timestamp: number): Buffer[] {
    const nals = unitsThatBegin(payload);
    if (!nals) return [];
    const types = new Set(nals.map(nalTypeOf));
    for (const nal of nals) this.#keepIfSet(nal);
    const beginsKeyFrame = types.has(nalTypes.idr);
    if (this.#waitsForKeyFrame && !(beginsKeyFrame && this.#profile)) return [];
    this.#waitsForKeyFrame = false;
    if (types.has(nalTypes.sps)) this.#setsSentAt = timestamp;
    if (!beginsKeyFrame || this.#setsSentAt === timestamp) return fit(payload);
    this.#setsSentAt = timestamp;
    return [...this.#setPayloads(), ...fit(payload)];
  }

  #setPayloads(): Buffer[] {
    // Sequence parameter sets have the lower type, and picture parameter sets refer to them.
    const sets = [...this.#sets].toSorted(([a], [b]) => a.localeCompare(b)).map(([, set]) => set);
    if (sets.length === 0) return [];
    const together = aggregate(sets);
    return together.length <= maxPayloadBytes ? [together] : sets;
  }
}

/**
 * The NAL units that begin in a payload; of a fragmented one, its header. Undefined for payloads that are malformed, or of the
 * interleaved mode, which browsers do not take.
 */
function unitsThatBegin(payload: Buffer): Buffer[] | undefined {
  if (payload.length < 2 || payload[0]! > 127) return undefined;
  const type = nalTypeOf(payload);
  if (type >= 1 && type < nalTypes.aggregate) return [payload];
  if (type === nalTypes.aggregate) return disaggregate(payload);
  if (type !== nalTypes.fragment || payload.length < 3) return undefined;
  return payload[1]! & 0x80 ? [Buffer.from([(payload[0]! & 0xe0) | (payload[1]! & 31)])] : [];
}

function profileOf(profileIdc: number): Profile {
  const levelId = levelIds.get(profileIdc);
  return levelId === undefined ? { refused: profileNames.get(profileIdc) ?? `profile ${profileIdc}` } : { levelId };
}

/** An unsigned Exp-Golomb number below 15 at the beginning of a byte (H.264, section 9.1). Undefined for a larger one. */
function unsignedAt(set: Buffer, offset: number): number | undefined {
  const byte = set[offset];
  if (byte === undefined) return undefined;
  const zeros = Math.clz32(byte) - 24;
  return zeros > 3 ? undefined : (byte >> (7 - 2 * zeros)) - 1;
}
