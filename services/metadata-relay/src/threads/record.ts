import { type ChannelKind, channelIds, channelKinds } from '@flotilla/contracts';

/** What a routing thread asks for, in the order it asks for it. */
export const opcodes = ['fanOut', 'send', 'carry', 'hold', 'askBacklog', 'expel', 'forward'] as const;
export type Opcode = (typeof opcodes)[number];

/** Before the payload of a record: opcode, channel, flag, nothing, and two bytes of subchannel or length of a header. */
export const recordHeaderBytes = 6;

/** Writes records into one piece of memory, over and over: a frame costs no object. */
export class RecordWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(maxPayload: number) {
    this.#bytes = new Uint8Array(recordHeaderBytes + maxPayload);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** The record, valid until the next call. */
  write(opcode: Opcode, channel: ChannelKind, flag: boolean, number: number, payload?: Uint8Array): Uint8Array {
    this.#bytes[0] = opcodes.indexOf(opcode);
    this.#bytes[1] = channelIds[channel];
    this.#bytes[2] = flag ? 1 : 0;
    this.#view.setUint16(4, number);
    if (payload) this.#bytes.set(payload, recordHeaderBytes);
    return this.#bytes.subarray(0, recordHeaderBytes + (payload?.length ?? 0));
  }
}

export const opcodeOf = (record: Uint8Array): Opcode => opcodes[record[0]!]!;
export const channelOf = (record: Uint8Array): ChannelKind => channelKinds[record[1]!]!;
export const flagOf = (record: Uint8Array): boolean => record[2] === 1;
export const numberOf = (record: Uint8Array): number => record[4]! * 256 + record[5]!;
export const payloadOf = (record: Uint8Array): Uint8Array => record.subarray(recordHeaderBytes);
