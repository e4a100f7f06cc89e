import { describe, expect, test } from 'vitest';
import {
  commandsPerSecond,
  type Demand,
  depthOf,
  gatewaysOf,
  joinsPerSecond,
  limitsOf,
  mediaOf,
  planFleet,
  redisOf,
  sfuOf,
  webinarLimit,
  workerCores,
} from '../src/capacity/model.ts';
import { short } from '../src/capacity/report.ts';
import { bounds, unitCosts } from '../src/capacity/unit-costs.ts';
import { simulate, wholeDay } from '../src/simulation.ts';

const demand: Demand = {
  participants: 24_000,
  roomSize: 10,
  layout: 'gallery',
  publishers: 2,
  visible: 24,
  // 125 packets of 1,200 bytes per second.
  videoKbps: 1200,
  audioKbps: 40,
  // 200 packets per second.
  uplinkKbps: 1920,
  stayMinutes: 40,
  messages: 0.2,
  cores: 16,
  gbps: 10,
  consumersPerWorker: 500,
  workersPerRoom: 1,
  pipeFanOut: 0,
};
const webinar: Demand = { ...demand, layout: 'webinar', roomSize: 1000 };

describe('the media of a participant', () => {
  test('in a gallery of ten is nine pictures and nine sounds', () => {
    expect(mediaOf(demand)).toEqual({
      consumers: 18,
      receivedPackets: 9 * (125 + 50),
      sentPackets: 200 + 50,
      downBits: 9 * 1_240_000,
      upBits: 1_960_000,
    });
  });

  test('in a gallery larger than the page is what the page shows', () => {
    expect(mediaOf({ ...demand, roomSize: 100 }).consumers).toBe(48);
  });

  test('in a webinar is the mean of viewers and publishers', () => {
    // 998 receive two streams of each kind, two receive one.
    const received = (998 * 2 + 2) / 1000;
    const media = mediaOf(webinar);
    expect(media.consumers).toBeCloseTo(2 * received, 9);
    expect(media.receivedPackets).toBeCloseTo(received * 175, 9);
    expect(media.sentPackets).toBeCloseTo(0.002 * 250, 9);
  });

  test('in a call without video is sound alone', () => {
    const media = mediaOf({ ...demand, layout: 'audio' });
    expect(media).toEqual({ consumers: 9, receivedPackets: 450, sentPackets: 50, downBits: 360_000, upBits: 40_000 });
  });

  test('costs a media worker 4.57 µs for each packet', () => {
    expect(workerCores(mediaOf(demand))).toBeCloseTo(((9 * 175 + 250) * (75_000 / 16_400)) / 1e6, 12);
  });
});

describe('SFU nodes', () => {
  test('are bound by the consumers of 15 workers', () => {
    const sfu = sfuOf(demand);
    // 15 x 500 / 18; a worker has 27 participants of one room.
    expect(sfu).toMatchObject({ boundBy: 'consumers', perNode: 416, roomPerNode: 27, nodesPerRoom: 1, nodes: 58 });
    expect(sfu).toMatchObject({ pipeBits: 0, pipeDepth: 0, sourceBits: 0 });
  });

  test('are bound by packets where workers may have any number of consumers', () => {
    // 0.75 / (1,825 packets x 4.573 µs) = 89.86 participants for each worker; a network of 10 Gbit/s takes 627.
    const sfu = sfuOf({ ...demand, consumersPerWorker: 1_000_000, gbps: 40 });
    expect(sfu).toMatchObject({ boundBy: 'packets', perNode: 1347, roomPerNode: 89 });
    expect(sfuOf({ ...demand, consumersPerWorker: 1_000_000 })).toMatchObject({ boundBy: 'network', perNode: 627 });
  });

  test('are bound by the process around the workers where the media is little', () => {
    const quiet: Demand = { ...demand, layout: 'audio', roomSize: 2, consumersPerWorker: 1_000_000, cores: 64 };
    // 0.75 / 317 µs.
    expect(sfuOf(quiet)).toMatchObject({ boundBy: 'process', perNode: 2365 });
  });

  test('of a webinar are linked by pipes, each publication once to each other node', () => {
    // 3.996 consumers each: 125 viewers of the room on each node, 8 nodes, 24 rooms, 2 publishers.
    const sfu = sfuOf(webinar);
    expect(sfu).toMatchObject({ roomPerNode: 125, nodesPerRoom: 8, pipeDepth: 1 });
    expect(sfu.pipeBits).toBe(24 * 2 * 7 * 1_240_000);
    expect(sfu.sourceBits).toBe(2 * 7 * 1_240_000);
    // A room uses one worker of each.
    expect(sfuOf({ ...webinar, participants: 1000 }).nodes).toBe(8);
    expect(sfuOf({ ...webinar, pipeFanOut: 2 })).toMatchObject({ pipeDepth: 3, sourceBits: 2 * 2 * 1_240_000 });
  });

  test('of a tree of pipes have as many steps as it takes to reach all', () => {
    expect([1, 2, 3, 4, 7, 8, 15].map((nodes) => depthOf(nodes, 2))).toEqual([0, 1, 1, 2, 2, 3, 3]);
    expect(depthOf(100, 99)).toBe(1);
  });
});

describe('gateways', () => {
  test('deliver each message, join and leave to every member', () => {
    expect(joinsPerSecond(demand)).toBe(10);
    const { deliveries, cores, gateways, memoryGiB } = gatewaysOf(demand);
    // 2,400 rooms x 0.2 messages x 10 members, and 10 joins and 10 leaves x 10 members.
    expect(deliveries).toBeCloseTo(4800 + 200, 6);
    expect(cores).toBeCloseTo(5000 * 205e-6, 9);
    expect(gateways).toBe(3);
    expect(memoryGiB).toBeCloseTo((24_000 * 75) / 1024 / 1024, 9);
  });

  test('are more where rooms are large', () => {
    // 24 rooms x 0.2 x 1,000, and 20 x 1,000: 24,800 x 205 µs = 5.08 cores at 75 %.
    expect(gatewaysOf(webinar).gateways).toBe(7);
  });
});

describe('one Redis', () => {
  const { redisOpen, redisJoin, redisPublish, redisLeave, redisHeartbeat, redisMessage } = unitCosts;

  test('has joins with two publications each, heartbeats twice a second, and messages', () => {
    const visit = redisOpen.value + redisJoin.value + 2 * redisPublish.value + redisLeave.value;
    const redis = redisOf(demand, 58);
    expect(redis.membership).toBeCloseTo((10 * visit) / 1e6, 12);
    expect(redis.heartbeats).toBeCloseTo((116 * redisHeartbeat.value) / 1e6, 12);
    expect(redis.messages).toBeCloseTo((480 * redisMessage.value) / 1e6, 12);
    expect(redis.total).toBeCloseTo(redis.membership + redis.heartbeats + redis.messages, 12);
  });

  test('has few publications of a webinar', () => {
    const visit = redisOpen.value + redisJoin.value + 0.004 * redisPublish.value + redisLeave.value;
    expect(redisOf(webinar, 1).membership).toBeCloseTo((10 * visit) / 1e6, 12);
    expect(commandsPerSecond(webinar)).toBeCloseTo(10 * 2.004, 9);
  });
});

describe('a plan', () => {
  test('has as many cells as its limits demand', () => {
    const limits = limitsOf({ ...demand, participants: 10_000_000 });
    const plan = planFleet({ ...demand, participants: 10_000_000 });
    const lowest = Math.min(...limits.filter(({ replacedBy }) => replacedBy === 'cells').map(({ at }) => at));
    expect(plan.cells).toBe(Math.ceil(10_000_000 / lowest));
    expect(plan.redis.total).toBeLessThanOrEqual(bounds.redisCpu * 1.001);
    expect(plan.breaks).toEqual(limits[0]);
  });

  test('has limits that do not depend on the number of participants', () => {
    const [small, large] = [200_000, 20_000_000].map((participants) => limitsOf({ ...demand, participants }));
    for (const [index, { part, at }] of small!.entries()) {
      expect(large![index]!.part).toBe(part);
      // Nodes are whole numbers.
      if (Number.isFinite(at)) expect(Math.abs(large![index]!.at / at - 1)).toBeLessThan(0.01);
    }
  });

  test('of a fleet below every limit has one cell', () => {
    expect(planFleet(demand)).toMatchObject({ cells: 1, participantsPerCell: 24_000, breaks: undefined });
  });

  test('of a webinar larger than one worker can send to is limited by it, and by nothing with a tree', () => {
    // 2 streams of each kind, 350 packets: 0.75 s / (350 x 4.573 µs) = 468 pipes.
    expect(webinarLimit(webinar)).toBe(469 * 125);
    expect(planFleet({ ...webinar, participants: 90_000, roomSize: 90_000 }).breaks).toMatchObject({ of: 'room' });
    expect(webinarLimit({ ...webinar, pipeFanOut: 8 })).toBe(Infinity);
    expect(webinarLimit(demand)).toBe(Infinity);
  });
});

describe('the nodes of the model in the simulation of the planner', { timeout: 60_000 }, () => {
  // A peer of the simulation uses 0.525 % of a node on average, and rooms have seven. A node with one worker stands for it.
  const simulated: Demand = {
    ...{ ...demand, participants: 3000, roomSize: 8, cores: 2, gbps: 100, consumersPerWorker: 1_000_000 },
    ...{ videoKbps: 880, uplinkKbps: 1440, workersPerRoom: 1 },
  };
  const { nodes, perNode } = sfuOf(simulated);
  const run = (count: number) =>
    simulate({ ...wholeDay, nodes: count, peers: 3000, capacity: perNode + 20, from: 11, hours: 1, seed: 5 });

  test('are as loaded as the model says, within a tenth', () => {
    const share = workerCores(mediaOf(simulated));
    expect(share).toBeCloseTo(0.00525, 3);
    const busiest = Math.max(...run(nodes).points.map(({ cpuMean }) => cpuMean));
    const predicted = (3000 / nodes) * share;
    expect(busiest).toBeGreaterThan(predicted * 0.9);
    // An idle node of the simulation uses 3 %, and a burst of joins adds people.
    expect(busiest).toBeLessThan((predicted + 0.03) * 1.1);
  });

  test('refuse no join, and three quarters of them do', () => {
    expect(run(nodes).refusedJoins).toBe(0);
    expect(run(Math.floor(nodes * 0.75)).refusedJoins).toBeGreaterThan(0);
  });
});

describe('a printed number', () => {
  test('has three significant digits', () => {
    expect([0, 0.12345, 12.345, 1234.5, 1_234_567, Infinity].map(short)).toEqual([
      '0',
      '0.123',
      '12.3',
      '1,230',
      '1,230,000',
      'none',
    ]);
  });
});
