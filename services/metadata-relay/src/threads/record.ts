import { type ChannelKind, channelIds, channelKinds } from '@flotilla/contracts';

/** Operations of an Outlet that the routing thread sends over the ring. */
export const opcodes = [
  'fanOut',
  'send',
  'addSubchannel',
  'removeSubchannel',
  'pause',
  'resume',
  'queryBuffered',
  'disconnect',
  'forward',
] as const;
export type Opcode = (typeof opcodes)[number];

/** Header of a record: one byte each of opcode and channel, and two bytes of subchannel or length of the forward header. */
export const recordHeaderBytes = 4;

/** Encodes records into one reused buffer, without an allocation per frame. */
export class RecordWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(maxPayload: number) {
    this.#bytes = new Uint8Array(recordHeaderBytes + maxPayload);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** The record, valid until the next call. */
  write(opcode: Opcode, channel: ChannelKind, number: number, payload?: Uint8Array): Uint8Array {
    this.#bytes[0] = opcodes.indexOf(opcode);
    this.#bytes[1] = channelIds[channel];
    this.#view.setUint16(2, number);
    if (payload) this.#bytes.set(payload, recordHeaderBytes);
    return this.#bytes.subarray(0, recordHeaderBytes + (payload?.length ?? 0));
  }
}

export const opcodeOf = (record: Uint8Array): Opcode => opcodes[record[0]!]!;
export const channelOf = (record: Uint8Array): ChannelKind => channelKinds[record[1]!]!;
export const numberOf = (record: Uint8Array): number => record[2]! * 256 + record[3]!;
export const payloadOf = (record: Uint8Array): Uint8Array => record.subarray(recordHeaderBytes);
