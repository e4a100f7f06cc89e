// A reassembler with a simulated clock, which records its output.
import { create } from '@bufbuild/protobuf';
import { type RelayStamp, RelayStampSchema, type Shard, ShardSchema } from '../src/generated/metadata_pb.ts';
import {
  type Loss,
  type MessageInfo,
  Reassembler,
  type ReassemblerOptions,
  type Refusal,
  type ShardInit,
  split,
} from '../src/index.ts';

export interface Received {
  readonly seqId: number;
  readonly bytes: Uint8Array;
  readonly info: MessageInfo;
}

export class Stream {
  now = 0;
  readonly delivered: Received[] = [];
  readonly losses: Loss[] = [];
  readonly reassembler: Reassembler;

  constructor(options: Partial<ReassemblerOptions> = {}) {
    this.reassembler = new Reassembler({
      now: () => this.now,
      deliver: (message, info) => this.delivered.push({ seqId: info.seqId, bytes: message.slice(), info }),
      lost: (loss) => this.losses.push(loss),
      ...options,
    });
  }

  /** Adds a shard and overwrites its buffer afterwards. */
  accept(shard: Shard, stamp?: RelayStamp, once = false): Refusal | undefined {
    const payload = shard.payload.slice();
    const refusal = this.reassembler.accept({ ...shard, payload }, stamp, once);
    payload.fill(0xee);
    return refusal;
  }

  get ids(): number[] {
    return this.delivered.map(({ seqId }) => seqId);
  }

  get lostIds(): number[] {
    return this.losses.flatMap(({ fromSeqId, toSeqId }) =>
      Array.from({ length: toSeqId - fromSeqId + 1 }, (_, at) => fromSeqId + at),
    );
  }

  /** Advances the clock until no message is incomplete. */
  settle(): void {
    while (Number.isFinite(this.reassembler.deadline)) {
      this.now = this.reassembler.deadline;
      this.reassembler.expire();
    }
  }
}

export const shardOf = (fields: ShardInit): Shard => create(ShardSchema, { topic: 'test', ...fields });

/** A message with unique content. */
export const messageOf = (seqId: number, size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, at) => (seqId * 31 + at * 7 + (at >> 8)) & 255);

export const shardsOf = (seqId: number, size: number, most = 100): Shard[] =>
  [...split(messageOf(seqId, size), most)].map((part) => shardOf({ seqId, captureTime: 1000 + seqId, ...part }));

export const one = (seqId: number): Shard => shardsOf(seqId, 10)[0]!;

export const retained: RelayStamp = create(RelayStampSchema, { publisherId: 'pt_ada', routedAt: 1, retained: true });
