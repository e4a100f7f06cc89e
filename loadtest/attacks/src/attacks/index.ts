import type { Attack } from '../attacker.ts';
import { halfOpenSockets, handshakes, resumes } from './connections.ts';
import { httpDocuments } from './http-documents.ts';
import { damagedEnvelopes, damagedFrames } from './malformed.ts';
import { keyFrames, reopenedMedia } from './media.ts';
import { metadataFlood } from './metadata.ts';
import { joinLeave, openMedia, repeatedIds, restartIce, subscribeAll, topologyWatch } from './requests.ts';
import { messageFlood, pairMessages, pairSmallMessages, roomFanOut, roomMessages } from './room-messages.ts';
import { largeFrames, userMessages } from './user-messages.ts';

export const attacks: readonly Attack[] = [
  roomMessages,
  pairMessages,
  pairSmallMessages,
  roomFanOut,
  userMessages,
  messageFlood,
  largeFrames,
  repeatedIds,
  openMedia,
  restartIce,
  joinLeave,
  subscribeAll,
  topologyWatch,
  keyFrames,
  reopenedMedia,
  halfOpenSockets,
  handshakes,
  resumes,
  httpDocuments,
  damagedFrames,
  damagedEnvelopes,
  metadataFlood,
];
