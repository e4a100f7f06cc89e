import { bounds, unitCosts } from './unit-costs.ts';

export const layouts = ['gallery', 'webinar', 'audio'] as const;
export type Layout = (typeof layouts)[number];

/** What the fleet serves, and on what machines. */
export interface Demand {
  readonly participants: number;
  readonly roomSize: number;
  readonly layout: Layout;
  /** Publishers of a webinar. */
  readonly publishers: number;
  /** Streams of each kind that a participant receives at most: what its page shows and plays. */
  readonly visible: number;
  /** Of a received video, and of one audio stream, kbit/s. */
  readonly videoKbps: number;
  readonly audioKbps: number;
  /** Of what a publisher of video sends, all layers, kbit/s. */
  readonly uplinkKbps: number;
  /** Mean time that a participant stays, minutes. */
  readonly stayMinutes: number;
  /** Messages of a room per second. */
  readonly messages: number;
  /** Cores of an SFU node, of which each runs a worker but one, which the process around them uses. */
  readonly cores: number;
  /** Network interface of an SFU node, Gbit/s. */
  readonly gbps: number;
  /** Consumers of a worker at most: one for each stream of each subscriber. */
  readonly consumersPerWorker: number;
  /** Workers of a node that one room may use. */
  readonly workersPerRoom: number;
  /** Pipes of a publication from one node: above it they form a tree. 0: each node has a pipe from the first. */
  readonly pipeFanOut: number;
}

const bytesPerVideoPacket = 1200;
/** Opus in frames of 20 ms. */
const audioPacketsPerSecond = 50;

/** A participant's streams, packets and bits per second, the mean over a room. */
export interface MediaLoad {
  /** Streams that it receives. */
  readonly consumers: number;
  readonly sentPackets: number;
  readonly receivedPackets: number;
  /** Sent by the fleet to the participant. */
  readonly downBits: number;
  readonly upBits: number;
}

export const videoPackets = (kbps: number): number => (kbps * 1000) / (8 * bytesPerVideoPacket);

/** Publishers of a room. */
export const publishersOf = ({ layout, roomSize, publishers }: Demand): number =>
  layout === 'webinar' ? Math.min(publishers, roomSize) : roomSize;

/** The mean of a room's participants. */
export function mediaOf(demand: Demand): MediaLoad {
  const { layout, roomSize, visible, videoKbps, audioKbps, uplinkKbps } = demand;
  const senders = publishersOf(demand);
  // A publisher receives the others, a viewer all.
  const received =
    (senders * Math.min(senders - 1, visible) + (roomSize - senders) * Math.min(senders, visible)) / roomSize;
  const hasVideo = layout === 'audio' ? 0 : 1;
  const sending = senders / roomSize;
  return {
    consumers: received * (1 + hasVideo),
    receivedPackets: received * (audioPacketsPerSecond + hasVideo * videoPackets(videoKbps)),
    sentPackets: sending * (audioPacketsPerSecond + hasVideo * videoPackets(uplinkKbps)),
    downBits: received * 1000 * (audioKbps + hasVideo * videoKbps),
    upBits: sending * 1000 * (audioKbps + hasVideo * uplinkKbps),
  };
}

/** Cores of media workers for a participant, without pipes. */
export function workerCores({ receivedPackets, sentPackets }: MediaLoad): number {
  return (receivedPackets * unitCosts.workerPerPacket.value + sentPackets * unitCosts.receivedPacket.value) / 1e6;
}

export interface SfuPlan {
  readonly nodes: number;
  /** Participants of a node, and what bounds them. */
  readonly perNode: number;
  readonly boundBy: 'packets' | 'consumers' | 'process' | 'network';
  /** Participants of one room on a node. */
  readonly roomPerNode: number;
  readonly nodesPerRoom: number;
  readonly cores: number;
  /** Steps of the tree of pipes of a publication; 0 for a room on one node. */
  readonly pipeDepth: number;
  /** Between nodes, whole fleet. */
  readonly pipeBits: number;
  /** Sent by the node of a webinar's publishers into pipes. */
  readonly sourceBits: number;
}

const atLeastOne = (value: number): number => Math.max(1, Math.floor(value));

/** Nodes for the media. A room is on as few nodes as it fits on. */
export function sfuOf(demand: Demand): SfuPlan {
  const { participants, roomSize, cores, gbps, workersPerRoom, pipeFanOut } = demand;
  const media = mediaOf(demand);
  const byPackets = bounds.nodeCpu / workerCores(media);
  const byConsumers = demand.consumersPerWorker / media.consumers;
  const limits = {
    packets: byPackets * (cores - 1),
    consumers: byConsumers * (cores - 1),
    process: (bounds.processCpu * 1e6) / unitCosts.nodeProcessPerPeer.value,
    network: (gbps * 1e9 * bounds.network) / Math.max(media.downBits, media.upBits),
  };
  const [boundBy, most] = (Object.entries(limits) as [SfuPlan['boundBy'], number][]).reduce((least, each) =>
    each[1] < least[1] ? each : least,
  );
  const perNode = atLeastOne(most);
  const roomPerNode = Math.min(
    perNode,
    atLeastOne(Math.min(byPackets, byConsumers) * Math.min(workersPerRoom, cores - 1)),
  );
  const nodesPerRoom = Math.ceil(roomSize / roomPerNode);
  const rooms = participants / roomSize;
  // Every publication goes once to every other node of its room, in one layer of video.
  const video = demand.layout === 'audio' ? 0 : 1;
  const streams = publishersOf(demand);
  const copies = rooms * streams * (nodesPerRoom - 1);
  const streamBits = 1000 * (demand.audioKbps + video * demand.videoKbps);
  const streamPackets = audioPacketsPerSecond + video * videoPackets(demand.videoKbps);
  // A pipe is a packet forwarded on one node and one received on another.
  const pipeCores =
    (copies * streamPackets * (unitCosts.workerPerPacket.value + unitCosts.receivedPacket.value)) /
    1e6 /
    bounds.nodeCpu;
  const mediaCores = participants * (workerCores(media) / bounds.nodeCpu);
  const nodesOfPipes = pipeCores / (cores - 1);
  const fanOut = pipeFanOut === 0 ? nodesPerRoom - 1 : Math.min(pipeFanOut, nodesPerRoom - 1);
  return {
    // Fewer would leave a single room no further workers, however idle the others are.
    nodes: Math.max(nodesPerRoom, Math.ceil(participants / perNode + nodesOfPipes)),
    perNode,
    boundBy,
    roomPerNode,
    nodesPerRoom,
    cores: mediaCores + pipeCores + (participants * unitCosts.nodeProcessPerPeer.value) / 1e6 / bounds.processCpu,
    pipeDepth: depthOf(nodesPerRoom, fanOut),
    pipeBits: copies * streamBits,
    sourceBits: demand.layout === 'webinar' ? streams * streamBits * fanOut : 0,
  };
}

/** Steps from the first of `nodes` to the last one when each sends to `fanOut` others. */
export function depthOf(nodes: number, fanOut: number): number {
  let [reached, width, depth] = [1, 1, 0];
  while (reached < nodes) {
    width *= Math.max(1, fanOut);
    reached += width;
    depth++;
  }
  return depth;
}

/** Joins per second; leaves are as many. */
export const joinsPerSecond = ({ participants, stayMinutes }: Demand): number => participants / (stayMinutes * 60);

export interface GatewayPlan {
  readonly gateways: number;
  readonly cores: number;
  readonly memoryGiB: number;
  /** Messages and events to all sessions per second. */
  readonly deliveries: number;
}

/** Each message, join and leave of a room is delivered to every member. */
export function gatewaysOf(demand: Demand): GatewayPlan {
  const { participants, roomSize, messages } = demand;
  const events = (2 * joinsPerSecond(demand) * roomSize) / participants + messages;
  const deliveries = participants * events;
  const cores = (deliveries * unitCosts.gatewayPerDelivery.value) / 1e6;
  return {
    gateways: Math.max(
      1,
      Math.ceil(cores / bounds.processCpu),
      Math.ceil(participants / unitCosts.gatewaySessions.value),
    ),
    cores,
    memoryGiB: (participants * unitCosts.gatewayMemory.value) / 2 ** 20,
    deliveries,
  };
}

export interface RedisPlan {
  /** Cores of one Redis for each kind of work. */
  readonly membership: number;
  readonly heartbeats: number;
  readonly messages: number;
  readonly total: number;
}

/** Work of Redis, if one had all of it. */
export function redisOf(demand: Demand, nodes: number): RedisPlan {
  const { redisOpen, redisJoin, redisPublish, redisLeave, redisHeartbeat, redisMessage } = unitCosts;
  // A publisher has one publication for sound and one for its picture.
  const publications = (publishersOf(demand) / demand.roomSize) * (demand.layout === 'audio' ? 1 : 2);
  const visit = redisOpen.value + redisJoin.value + publications * redisPublish.value + redisLeave.value;
  const membership = (joinsPerSecond(demand) * visit) / 1e6;
  const heartbeats = (nodes * bounds.heartbeatsPerSecond * redisHeartbeat.value) / 1e6;
  const messages = ((demand.participants / demand.roomSize) * demand.messages * redisMessage.value) / 1e6;
  return { membership, heartbeats, messages, total: membership + heartbeats + messages };
}

/** Commands to SFU nodes per second over RabbitMQ: one to open a session's media, one for each publication, one to close. */
export function commandsPerSecond(demand: Demand): number {
  const publications = (publishersOf(demand) / demand.roomSize) * (demand.layout === 'audio' ? 1 : 2);
  return joinsPerSecond(demand) * (2 + publications);
}

/** A part of a fleet that cannot be multiplied by adding pods. */
export interface Limit {
  readonly part: string;
  /** Participants at which it is reached, of the fleet or of one room; Infinity for a part that such rooms do not load. */
  readonly at: number;
  readonly of: 'fleet' | 'room';
  readonly replacedBy: string;
}

const cells = 'cells';

/** The limits of one cell, the lowest first. Loads are proportional to the participants, in rooms of the same size. */
export function limitsOf(demand: Demand): Limit[] {
  const { participants } = demand;
  const { nodes } = sfuOf(demand);
  const redis = redisOf(demand, nodes);
  const scaled = (load: number, most: number): number =>
    load === 0 ? Infinity : Math.floor((participants * most) / load);
  const planSeconds = (participants * unitCosts.plannerPerPeer.value) / 1e6;
  const planLimit = (bounds.planEveryMs / 1000) * bounds.processCpu;
  const fleet = [
    [
      'messages of rooms, in one Redis',
      scaled(redis.messages, bounds.redisCpu),
      'event streams over several Redis by room',
    ],
    ['all work of one Redis', scaled(redis.total, bounds.redisCpu), cells],
    ['nodes with which a join was measured', scaled(nodes, bounds.measuredNodes), cells],
    ['one plan of the autoscaler in each interval', scaled(planSeconds, planLimit), cells],
  ] as const;
  return [
    ...fleet.map(([part, at, replacedBy]) => ({ part, at, of: 'fleet' as const, replacedBy })),
    {
      part: 'pipes from the worker of a webinar’s publishers',
      at: webinarLimit(demand),
      of: 'room' as const,
      replacedBy: 'a tree of pipes (--pipe-fan-out)',
    },
  ].toSorted((one, other) => one.at - other.at);
}

/** Participants of a webinar at which the worker of its publishers, or its node's network, is full of pipes to other nodes. */
export function webinarLimit(demand: Demand): number {
  if (demand.layout !== 'webinar') return Infinity;
  const streams = publishersOf(demand);
  const packets = streams * (audioPacketsPerSecond + videoPackets(demand.videoKbps));
  const bits = streams * 1000 * (demand.audioKbps + demand.videoKbps);
  const pipes = Math.floor(
    Math.min(
      (bounds.nodeCpu * 1e6) / (packets * unitCosts.workerPerPacket.value),
      (demand.gbps * 1e9 * bounds.network) / bits,
    ),
  );
  if (demand.pipeFanOut > 0 && demand.pipeFanOut <= pipes) return Infinity;
  return (pipes + 1) * sfuOf(demand).roomPerNode;
}

export interface FleetPlan {
  readonly demand: Demand;
  readonly sfu: SfuPlan;
  readonly gateway: GatewayPlan;
  /** Of one cell. */
  readonly redis: RedisPlan;
  readonly cells: number;
  readonly participantsPerCell: number;
  readonly commands: number;
  readonly joins: number;
  readonly media: MediaLoad;
  /** Of one cell with all participants. */
  readonly limits: readonly Limit[];
  /** The lowest limit that is exceeded. */
  readonly breaks: Limit | undefined;
}

/** A room is in one cell. */
export function planFleet(demand: Demand): FleetPlan {
  const limits = limitsOf(demand);
  const perCell = Math.min(...limits.filter(({ replacedBy }) => replacedBy === cells).map(({ at }) => at));
  const cellCount = Math.ceil(demand.participants / Math.max(demand.roomSize, perCell));
  const participantsPerCell = demand.participants / cellCount;
  const ofCell = { ...demand, participants: participantsPerCell };
  const sfu = sfuOf(demand);
  return {
    demand,
    sfu,
    gateway: gatewaysOf(demand),
    redis: redisOf(ofCell, sfuOf(ofCell).nodes),
    cells: cellCount,
    participantsPerCell,
    commands: commandsPerSecond(demand),
    joins: joinsPerSecond(demand),
    media: mediaOf(demand),
    limits,
    breaks: limits.find(({ at, of }) => at < (of === 'fleet' ? demand.participants : demand.roomSize)),
  };
}
