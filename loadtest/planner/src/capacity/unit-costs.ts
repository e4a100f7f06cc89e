/** What a unit of work costs on one core of the test machine (docs/decisions/README.md#test-machine), and where the figure is from. */
export interface UnitCost {
  readonly value: number;
  readonly unit: string;
  readonly what: string;
  /** The document that has the figure, and the command that prints it. */
  readonly source: string;
  /** False for an assumption. */
  readonly measured: boolean;
}

const forwarding = 'loadtest/forwarding/README.md, npm run bench:forwarding';
const signaling = 'README.md (Figures), npm run bench:signaling';
const redis = 'docs/scale.md, npm run bench:join -- --measure redis';

/** Unit costs. Those of Redis are medians of its own count, of scripts with everything that they call. */
export const unitCosts = {
  /** 7.5 % of a core for 16,400 packets per second. */
  workerPerPacket: {
    value: 75_000 / 16_400,
    unit: 'µs',
    what: 'media worker, for a packet forwarded to a subscriber',
    source: forwarding,
    measured: true,
  },
  /** 1.3 % of a core for 41 peers. */
  nodeProcessPerPeer: {
    value: 13_000 / 41,
    unit: 'µs per s',
    what: 'process around the media workers, for a peer',
    source: forwarding,
    measured: true,
  },
  gatewaySessions: {
    value: 10_000,
    unit: 'sessions',
    what: 'sessions of a gateway',
    source: signaling,
    measured: true,
  },
  /** 41 % of a core for 200 messages per second to ten members each. All of it is attributed to deliveries: an upper bound. */
  gatewayPerDelivery: {
    value: 410_000 / 2000,
    unit: 'µs',
    what: 'gateway, for a message or an event to one session, with the connections and resumes of the benchmark',
    source: signaling,
    measured: true,
  },
  gatewayMemory: {
    value: 75,
    unit: 'KiB',
    what: 'memory of a gateway for a session',
    source: signaling,
    measured: true,
  },
  redisOpen: { value: 31, unit: 'µs', what: 'Redis, to open a session', source: redis, measured: true },
  redisJoin: { value: 103, unit: 'µs', what: 'Redis, to join a room', source: redis, measured: true },
  redisPublish: { value: 26, unit: 'µs', what: 'Redis, to add a publication', source: redis, measured: true },
  redisLeave: { value: 86, unit: 'µs', what: 'Redis, to close a session with its room', source: redis, measured: true },
  redisHeartbeat: {
    value: 152,
    unit: 'µs',
    what: 'Redis, for the heartbeat of a node with 100 sessions',
    source: redis,
    measured: true,
  },
  redisMessage: { value: 7, unit: 'µs', what: 'Redis, to append a message of a room', source: redis, measured: true },
  plannerPerPeer: {
    value: 0.63,
    unit: 'µs',
    what: 'autoscaler, for a peer in one plan',
    source: 'docs/scale.md, npm run bench:planner',
    measured: true,
  },
  receivedPacket: {
    value: 75_000 / 16_400,
    unit: 'µs',
    what: 'media worker, for a packet received from a publisher or a pipe: as for one forwarded',
    source: 'assumption',
    measured: false,
  },
} as const satisfies Record<string, UnitCost>;

/** Properties of the fleet that are settings or bounds of what was measured. */
export const bounds = {
  /** Heartbeats of a node per second. */
  heartbeatsPerSecond: 2,
  /** Interval between two plans of the autoscaler, ms. */
  planEveryMs: 500,
  /** Nodes of a fleet up to which the cost of a join was measured. */
  measuredNodes: 1000,
  /** Sessions of one gateway in the largest measurement. */
  measuredParticipants: 10_000,
  /** Share of a core that Redis, an SFU node's process and a gateway may use. */
  processCpu: 0.75,
  /** Of one Redis: above it, queues of joins that arrive at once grow. */
  redisCpu: 0.5,
  /** CPU of SFU nodes: targetCpu of the planner. */
  nodeCpu: 0.75,
  /** Share of a network interface. */
  network: 0.7,
} as const;
