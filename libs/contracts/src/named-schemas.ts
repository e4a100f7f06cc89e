/**
 * The schemas that the OpenAPI and AsyncAPI documents define once and refer to by name. Code generators make a class of
 * each name, so a name is part of the contract.
 */
import type { z } from 'zod';
import { Drill, drillKinds, DrillStarted } from './drill.ts';
import { Address } from './envelope.ts';
import { ErrorBody, ErrorCode } from './errors.ts';
import {
  GatewayId,
  MigrationId,
  NodeId,
  Offset,
  ParticipantId,
  PublicationId,
  RelayId,
  RoomId,
  RoomName,
  RoomRef,
  SessionId,
  StreamAddress,
  UserId,
} from './ids.ts';
import {
  DtlsParameters,
  IceCandidate,
  IceServer,
  IceParameters,
  Layers,
  MediaKind,
  MediaSessionParameters,
  RtcpFeedback,
  RtpCapabilities,
  RtpCodecCapability,
  RtpCodecParameters,
  RtpEncoding,
  RtpHeaderExtension,
  RtpHeaderExtensionParameters,
  RtpParameters,
  Source,
  Subscription,
  TransportParameters,
} from './media.ts';
import { MetadataSession, TopicInfo, TopicMode, TopicName, TopicSelection } from './metadata.ts';
import { Migration, MigrationEnd, MigrationReason, MigrationStep } from './migration.ts';
import { Negotiation, NegotiationEvent, NegotiationState, PeerStream } from './negotiation.ts';
import { DrainProgress, NodeLoad, NodeState, NodeSummary, WorkerLoad } from './node.ts';
import { NodeQuality, QualityGroup } from './quality.ts';
import {
  Ban,
  BanCursor,
  BanList,
  CreateRoom,
  DrainNode,
  IssuedToken,
  IssueFleetToken,
  IssueToken,
  MigrateParticipant,
  NodeList,
  NodeStateChange,
  ParticipantList,
  RestError,
  Revoke,
  Revoked,
  RoomCursor,
  RoomList,
  RoomSummary,
} from './rest.ts';
import { LeaveReason } from './room-events.ts';
import {
  DisplayName,
  MediaMode,
  Participant,
  ParticipantConnection,
  ParticipantCursor,
  Publication,
  Room,
  RoomSnapshot,
  Timestamp,
} from './room.ts';
import { Grant, RoomGrant } from './grants.ts';
import { RoomClaim } from './token.ts';
import {
  BreakerState,
  BreakerVertex,
  GatewayVertex,
  MigrationVertex,
  NegotiationVertex,
  NodeVertex,
  RoomVertex,
  SessionMedia,
  SessionVertex,
  Topology,
  TopologyUpdate,
  TopologyVertex,
} from './topology.ts';

export const namedSchemas: Readonly<Record<string, z.ZodType>> = {
  Address,
  Ban,
  BanCursor,
  BanList,
  BreakerState,
  BreakerVertex,
  CreateRoom,
  CutSocketDrill: drillKinds.cut_socket,
  DisplayName,
  DrainDrill: drillKinds.drain,
  DrainNode,
  DrainProgress,
  Drill,
  DrillStarted,
  DtlsParameters,
  ErrorBody,
  ErrorCode,
  GatewayId,
  GatewayVertex,
  Grant,
  IceCandidate,
  IceServer,
  IceParameters,
  IssueFleetToken,
  IssueToken,
  IssuedToken,
  KillNodeDrill: drillKinds.kill_node,
  KillWorkerDrill: drillKinds.kill_worker,
  Layers,
  LeaveReason,
  MediaKind,
  MediaMode,
  MediaSessionParameters,
  MetadataSession,
  MigrateDrill: drillKinds.migrate,
  MigrateParticipant,
  Migration,
  MigrationEnd,
  MigrationId,
  MigrationReason,
  MigrationStep,
  MigrationVertex,
  Negotiation,
  NegotiationEvent,
  NegotiationState,
  NegotiationVertex,
  NodeId,
  NodeList,
  NodeLoad,
  NodeQuality,
  NodeState,
  NodeStateChange,
  NodeSummary,
  NodeVertex,
  Offset,
  Participant,
  ParticipantConnection,
  ParticipantCursor,
  ParticipantId,
  ParticipantList,
  PeerStream,
  Publication,
  PublicationId,
  QualityGroup,
  RelayId,
  RestError,
  Revoke,
  Revoked,
  Room,
  RoomClaim,
  RoomCursor,
  RoomGrant,
  RoomId,
  RoomList,
  RoomName,
  RoomRef,
  RoomSnapshot,
  RoomSummary,
  RoomVertex,
  RtcpFeedback,
  RtpCapabilities,
  RtpCodecCapability,
  RtpCodecParameters,
  RtpEncoding,
  RtpHeaderExtension,
  RtpHeaderExtensionParameters,
  RtpParameters,
  SessionId,
  SessionMedia,
  SessionVertex,
  Source,
  StreamAddress,
  Subscription,
  Timestamp,
  TopicInfo,
  TopicMode,
  TopicName,
  TopicSelection,
  Topology,
  TopologyUpdate,
  TopologyVertex,
  TransportParameters,
  UncordonDrill: drillKinds.uncordon,
  UserId,
  WorkerLoad,
};

/** The names of the schemas that the given text refers to as `#/components/schemas/<name>`, directly or through others. */
export function reachableSchemas(schemas: Readonly<Record<string, object>>, roots: readonly object[]): Set<string> {
  const found = new Set<string>();
  const visit = (part: object): void => {
    for (const [, name] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (found.has(name!)) continue;
      found.add(name!);
      visit(schemas[name!]!);
    }
  };
  for (const root of roots) visit(root);
  return found;
}
