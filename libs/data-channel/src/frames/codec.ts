import { create, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import { FrameError, type FrameErrorCode } from './frame-error.ts';
import {
  type MetadataFrame,
  MetadataFrameSchema,
  type RelayStamp,
  RelayStampSchema,
  type Shard,
} from '../generated/metadata_pb.ts';
import { maxFrameBytes } from './limits.ts';
import { fitsLayout } from '../shards/layout.ts';
import { frameWriter } from './frame-writer.ts';

/** Who sends a frame. */
export type FrameOrigin = 'publisher' | 'relay';

type Body = Exclude<MetadataFrame['body'], { case: undefined }>;

/** A frame that was checked. `payload` of a shard is a view into the bytes it was decoded from. */
export interface Frame {
  readonly body: Body;
  /** On every shard that comes from the relay, and nowhere else. */
  readonly stamp: RelayStamp | undefined;
}

const topicPattern = /^[A-Za-z0-9][\w./:-]{0,127}$/;
const publisherPattern = /^[\w.@:+-]{1,128}$/;
const refuseUnknown = { readUnknownFields: false };

/** True for a name of 1 to 128 letters, digits and `_ . / : -`, the first a letter or digit. */
export const isTopic = (name: string): boolean => topicPattern.test(name);

function demand(holds: boolean, code: FrameErrorCode, message: string): asserts holds {
  if (!holds) throw new FrameError(code, message);
}

const checkTopic = (topic: string): void =>
  demand(isTopic(topic), 'topic', 'A topic has 1 to 128 letters, digits and _ . / : -');
const checkPublisher = (id: string): void =>
  demand(publisherPattern.test(id), 'publisher', 'A publisher id has 1 to 128 letters, digits and _ . @ : + -');
const checkTime = (time: number): void =>
  demand(time >= 0 && time <= Number.MAX_SAFE_INTEGER, 'time', 'A time is microseconds since 1970');

function checkBody(body: MetadataFrame['body']): asserts body is Body {
  switch (body.case) {
    case 'shard': {
      const { topic, index, total, size, payload, captureTime } = body.value;
      checkTopic(topic);
      checkTime(captureTime);
      demand(fitsLayout(size, total, index, payload.length), 'shard', 'Index, total, size and payload do not agree');
      return;
    }
    case 'timeRequest':
      return checkTime(body.value.t1);
    case 'timeResponse':
      checkTime(body.value.t1);
      checkTime(body.value.t2);
      return checkTime(body.value.t3);
    case 'lossNotice':
      checkTopic(body.value.topic);
      checkPublisher(body.value.publisherId);
      return demand(body.value.fromSeqId <= body.value.toSeqId, 'range', 'A range begins before it ends');
    case 'modeSwitch':
      checkTopic(body.value.topic);
      if (body.value.publisherId !== '') checkPublisher(body.value.publisherId);
      return;
    case undefined:
      throw new FrameError('unknown-kind', 'A frame of a kind that is not known here');
  }
}

function checkOrigin(body: Body, stamp: RelayStamp | undefined, from: FrameOrigin): void {
  const { case: kind } = body;
  const stamped = stamp !== undefined;
  if (from === 'publisher') {
    const allowed =
      kind === 'shard' || kind === 'timeRequest' || (kind === 'modeSwitch' && body.value.publisherId === '');
    return demand(allowed && !stamped, 'direction', 'Only the relay sends this');
  }
  demand(kind !== 'timeRequest' && stamped === (kind === 'shard'), 'direction', 'The relay does not send this');
  if (kind === 'modeSwitch') checkPublisher(body.value.publisherId);
  if (stamped) checkStamp(stamp);
}

function checkStamp({ publisherId, routedAt }: RelayStamp): void {
  checkPublisher(publisherId);
  checkTime(routedAt);
  demand(routedAt > 0, 'time', 'A stamp says when the relay had the shard');
}

function parse(bytes: Uint8Array): MetadataFrame {
  try {
    return fromBinary(MetadataFrameSchema, bytes, refuseUnknown);
  } catch (cause) {
    throw new FrameError('malformed', 'Not a metadata frame', { cause });
  }
}

/**
 * Reads a frame and checks all of it. Fields it does not know are skipped.
 * @param from who sent it; what the other side alone may send is refused
 * @throws FrameError, and nothing else
 */
export function decodeFrame(bytes: Uint8Array, from: FrameOrigin, maxBytes = maxFrameBytes): Frame {
  demand(bytes.length <= maxBytes, 'too-large', `A frame has at most ${maxBytes} bytes, not ${bytes.length}`);
  const { body, stamp } = parse(bytes);
  checkBody(body);
  checkOrigin(body, stamp, from);
  return { body, stamp };
}

type Fields<M extends Message> = Partial<Omit<M, keyof Message>>;
type BodyInit = { [Kind in Body['case']]: { case: Kind; value: Fields<Extract<Body, { case: Kind }>['value']> } };

/** The fields of a shard; those left out are 0, false or empty. */
export type ShardInit = Fields<Shard>;

/** What the relay says of a shard. */
export type StampInit = Fields<RelayStamp>;

/** The fields of a frame; those left out are 0, false or empty. */
export interface FrameInit {
  body?: BodyInit[Body['case']];
  stamp?: StampInit | undefined;
}

/**
 * Writes a frame after the checks that reading it makes, but for who may send it.
 * @throws FrameError, and nothing else
 */
export function encodeFrame(init: FrameInit, maxBytes = maxFrameBytes): Uint8Array<ArrayBuffer> {
  return written(maxBytes, () => {
    const frame = create(MetadataFrameSchema, init);
    const { body, stamp } = frame;
    checkBody(body);
    if (stamp) checkStamp(stamp);
    if (body.case !== 'shard') return toBinary(MetadataFrameSchema, frame);
    demand(body.value.payload.length <= maxBytes, 'too-large', `A frame has at most ${maxBytes} bytes`);
    return frameWriter.shard(body.value, stamp);
  });
}

/**
 * A publisher's frame with the relay's stamp, without writing the frame anew: protobuf merges what is concatenated, and
 * the last value of a field counts (protobuf.dev, Encoding, "Last One Wins"). So a stamped frame may be
 * stamped again, to say that it was retained.
 * @throws FrameError, and nothing else
 */
export function stampFrame(frame: Uint8Array, init: StampInit, maxBytes = maxFrameBytes): Uint8Array<ArrayBuffer> {
  return written(maxBytes, () => {
    const stamp = create(RelayStampSchema, init);
    checkStamp(stamp);
    demand(frame.length <= maxBytes, 'too-large', `A frame has at most ${maxBytes} bytes`);
    return frameWriter.stamped(frame, stamp);
  });
}

function written(maxBytes: number, write: () => Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  try {
    const bytes = write();
    demand(bytes.length <= maxBytes, 'too-large', `A frame has at most ${maxBytes} bytes, not ${bytes.length}`);
    return bytes;
  } catch (cause) {
    if (cause instanceof FrameError) throw cause;
    throw new FrameError('malformed', 'Not the fields of a metadata frame', { cause });
  }
}
