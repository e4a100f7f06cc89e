import { markdown } from '@flotilla/loadtest-kit';
import { type FleetPlan, type Limit } from './model.ts';
import { bounds, type UnitCost, unitCosts } from './unit-costs.ts';

const gbit = (bits: number): string => short(bits / 1e9);

/** Three significant digits, with separators of thousands. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return 'none';
  return Number(value.toPrecision(3)).toLocaleString('en', { maximumFractionDigits: 3 });
}

const secondsPerMonth = 30 * 86_400;
const extrapolated = (plan: FleetPlan): boolean => plan.demand.participants > bounds.measuredParticipants;

const limitText = (limit: Limit | undefined): string =>
  limit ? `${limit.part}, at ${short(limit.at)} in a ${limit.of}: ${limit.replacedBy}` : 'none';

/** One row per plan: what it takes, and which part reaches its limit first. */
export function overview(plans: readonly FleetPlan[]): string {
  const head = ['participants', 'cells', 'SFU nodes', 'SFU cores', 'gateways', 'Redis, busiest (% of a core)'];
  const rows = plans.map(({ demand, cells, sfu, gateway, redis, media, breaks }) => [
    ...[short(demand.participants), cells, short(sfu.nodes), short(sfu.cores), short(gateway.gateways)],
    ...[short(redis.total * 100), gbit(demand.participants * media.downBits), gbit(sfu.pipeBits), limitText(breaks)],
  ]);
  return markdown([], [{ head: [...head, 'to clients (Gbit/s)', 'pipes (Gbit/s)', 'first limit of one cell'], rows }]);
}

/** One plan in full. */
export function details(plan: FleetPlan): string {
  const { demand, sfu, gateway, redis, media, cells } = plan;
  const down = demand.participants * media.downBits;
  const rows: [string, string | number][] = [
    ['participants, in rooms of', `${short(demand.participants)}, ${short(demand.roomSize)} (${demand.layout})`],
    ['cells, participants in each', `${cells}, ${short(plan.participantsPerCell)}`],
    ['SFU nodes, cores', `${short(sfu.nodes)}, ${short(sfu.nodes * demand.cores)}`],
    ['SFU cores in use', short(sfu.cores)],
    ['participants per SFU node, bound by', `${short(sfu.perNode)}, ${sfu.boundBy}`],
    ['nodes per room, most participants of a room on one', `${short(sfu.nodesPerRoom)}, ${short(sfu.roomPerNode)}`],
    [
      'depth of the tree of pipes, from the first node into pipes (Gbit/s)',
      `${sfu.pipeDepth}, ${gbit(sfu.sourceBits)}`,
    ],
    ['gateway pods, cores in use', `${short(gateway.gateways)}, ${short(gateway.cores)}`],
    ['gateway memory (GiB)', short(gateway.memoryGiB)],
    ['messages and events to sessions (per s)', short(gateway.deliveries)],
    ['joins (per s), commands over RabbitMQ (per s)', `${short(plan.joins)}, ${short(plan.commands)}`],
    ['Redis of a cell: members, heartbeats, messages (% of a core)', percentages(redis)],
    ['registry, autoscaler and Redis pods', `${2 * cells}, ${2 * cells}, ${3 * cells}`],
    ['to clients (Gbit/s), per month (PB)', `${gbit(down)}, ${short((down * secondsPerMonth) / 8e15)}`],
    [
      'from clients, pipes between nodes (Gbit/s)',
      `${gbit(demand.participants * media.upBits)}, ${gbit(sfu.pipeBits)}`,
    ],
  ];
  const limits = plan.limits.map(({ part, at, of, replacedBy }) => [part, short(at), of, replacedBy]);
  return [
    markdown([], [{ head: ['fleet', 'value'], rows }]),
    markdown([], [{ head: ['limit of one cell', 'at participants', 'of a', 'replaced by'], rows: limits }]),
    basis(plan),
  ].join('\n\n');
}

const percentages = ({ membership, heartbeats, messages }: FleetPlan['redis']): string =>
  [membership, heartbeats, messages].map((share) => short(share * 100)).join(', ');

/** What the figures are from. */
function basis(plan: FleetPlan): string {
  const rows = Object.values(unitCosts as Readonly<Record<string, UnitCost>>).map(
    ({ what, value, unit, source, measured }) => [
      what,
      `${short(value)} ${unit}`,
      measured ? 'measured' : 'assumed',
      source,
    ],
  );
  const note = extrapolated(plan)
    ? `Extrapolated: unit costs were measured with at most ${short(bounds.measuredParticipants)} sessions and ${short(bounds.measuredNodes)} nodes, and are multiplied.`
    : `Unit costs were measured with up to ${short(bounds.measuredParticipants)} sessions and ${short(bounds.measuredNodes)} nodes.`;
  return `${markdown([], [{ head: ['unit cost', 'value', '', 'source'], rows }])}\n\n${note}\nNot in the model: RabbitMQ, metadata relays, TURN, recording, loss and retransmission.`;
}
