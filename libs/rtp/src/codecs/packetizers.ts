import type { RtpWriter } from '../rtp-writer.ts';
import { findUnits, type UnitRange } from './annex-b.ts';
import { h264Types } from './h264.ts';
import { h265TypeOf, h265Types } from './h265.ts';

/** Writes the frames of one stream as RTP packets. */
export interface Packetizer {
  /** @param data a frame; of H.264 and H.265 an access unit in Annex B form. */
  write(data: Buffer, rtpTimestamp: number): void;
}

/** Bytes of the length in front of each unit of an aggregation packet. */
const lengthBytes = 2;

abstract class NalPacketizer implements Packetizer {
  readonly #units: UnitRange[] = [];

  constructor(protected readonly writer: RtpWriter) {}

  /** Bytes of the header of a NAL unit, which are those of an aggregation packet too. */
  protected abstract readonly headerBytes: 1 | 2;
  protected abstract writeAggregationHeader(data: Buffer, units: readonly UnitRange[], from: number, to: number): void;
  /** Writes the headers of a fragment of the unit at `start`. */
  protected abstract writeFragmentHeader(data: Buffer, start: number, isStart: boolean, isEnd: boolean): void;

  write(data: Buffer, rtpTimestamp: number): void {
    const { writer } = this;
    const units = this.#units;
    const count = findUnits(data, units);
    for (let from = 0; from < count;) {
      const to = this.#aggregated(units, from, count);
      const { start, end } = units[from]!;
      if (to - from > 1) {
        writer.begin(rtpTimestamp, to === count);
        this.writeAggregationHeader(data, units, from, to);
        for (let at = from; at < to; at++) {
          const unit = units[at]!;
          writer.byte((unit.end - unit.start) >> 8);
          writer.byte((unit.end - unit.start) & 0xff);
          writer.bytes(data, unit.start, unit.end);
        }
        writer.end();
      } else if (end - start <= writer.maxPayloadBytes) {
        writer.begin(rtpTimestamp, to === count);
        writer.bytes(data, start, end);
        writer.end();
      } else this.#fragment(data, start, end, rtpTimestamp, to === count);
      from = to;
    }
  }

  /** End of the units from `from` on that fit into one packet: at least the next. */
  #aggregated(units: readonly UnitRange[], from: number, count: number): number {
    let bytes = this.headerBytes;
    let to = from;
    while (to < count) {
      bytes += lengthBytes + units[to]!.end - units[to]!.start;
      if (bytes > this.writer.maxPayloadBytes) break;
      to++;
    }
    return Math.max(to, from + 1);
  }

  #fragment(data: Buffer, unitStart: number, unitEnd: number, rtpTimestamp: number, isLast: boolean): void {
    const { writer } = this;
    const room = writer.maxPayloadBytes - this.headerBytes - 1;
    const start = unitStart + this.headerBytes;
    for (let from = start; from < unitEnd; from += room) {
      const to = Math.min(unitEnd, from + room);
      writer.begin(rtpTimestamp, isLast && to === unitEnd);
      this.writeFragmentHeader(data, unitStart, from === start, to === unitEnd);
      writer.bytes(data, from, to);
      writer.end();
    }
  }
}

/** H.264, RFC 6184, packetization mode 1. */
export class H264Packetizer extends NalPacketizer {
  protected readonly headerBytes = 1;

  protected writeAggregationHeader(data: Buffer, units: readonly UnitRange[], from: number, to: number): void {
    // Section 5.7: NRI is the maximum of those of the units.
    let importance = 0;
    for (let at = from; at < to; at++) importance = Math.max(importance, data[units[at]!.start]! & 0x60);
    this.writer.byte(importance | h264Types.stapA);
  }

  protected writeFragmentHeader(data: Buffer, start: number, isStart: boolean, isEnd: boolean): void {
    const first = data[start]!;
    this.writer.byte((first & 0xe0) | h264Types.fuA);
    this.writer.byte((isStart ? 0x80 : 0) | (isEnd ? 0x40 : 0) | (first & 31));
  }
}

/** H.265, RFC 7798, without decoding order numbers. */
export class H265Packetizer extends NalPacketizer {
  protected readonly headerBytes = 2;

  protected writeAggregationHeader(data: Buffer, units: readonly UnitRange[], from: number, to: number): void {
    // Section 4.4.2: the lowest layer id and the lowest temporal id of the units.
    let [layer, temporal] = [63, 7];
    for (let at = from; at < to; at++) {
      const { start } = units[at]!;
      layer = Math.min(layer, ((data[start]! & 1) << 5) | (data[start + 1]! >> 3));
      temporal = Math.min(temporal, data[start + 1]! & 7);
    }
    this.writer.byte((h265Types.aggregation << 1) | (layer >> 5));
    this.writer.byte(((layer & 31) << 3) | temporal);
  }

  protected writeFragmentHeader(data: Buffer, start: number, isStart: boolean, isEnd: boolean): void {
    const first = data[start]!;
    this.writer.byte((first & 0x81) | (h265Types.fragmentation << 1));
    this.writer.byte(data[start + 1]!);
    this.writer.byte((isStart ? 0x80 : 0) | (isEnd ? 0x40 : 0) | h265TypeOf(first));
  }
}

/** VP8, RFC 7741, with picture ids of 15 bits. */
export class Vp8Packetizer implements Packetizer {
  #pictureId = 0;

  constructor(private readonly writer: RtpWriter) {}

  write(data: Buffer, rtpTimestamp: number): void {
    const { writer } = this;
    const room = writer.maxPayloadBytes - 4;
    for (let from = 0; from < data.length; from += room) {
      const to = Math.min(data.length, from + room);
      writer.begin(rtpTimestamp, to === data.length);
      writer.byte(from === 0 ? 0x90 : 0x80);
      writer.byte(0x80);
      writer.byte(0x80 | (this.#pictureId >> 8));
      writer.byte(this.#pictureId & 0xff);
      writer.bytes(data, from, to);
      writer.end();
    }
    this.#pictureId = (this.#pictureId + 1) & 0x7f_ff;
  }
}

/** Opus, RFC 7587: a frame is a packet. The marker begins a talkspurt, RFC 3551, section 4.1, and is not set. */
export class OpusPacketizer implements Packetizer {
  constructor(private readonly writer: RtpWriter) {}

  write(data: Buffer, rtpTimestamp: number): void {
    this.writer.begin(rtpTimestamp, false);
    this.writer.bytes(data, 0, data.length);
    this.writer.end();
  }
}
