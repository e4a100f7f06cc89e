import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { brokers } from './brokers.ts';
import { cost } from './cost.ts';
import { fleet } from './fleet.ts';
import { migrations } from './migrations.ts';
import { nodes } from './nodes.ts';
import { rooms } from './rooms.ts';

/** The dashboards by the names of their files. */
export const dashboards: Readonly<Record<string, Dashboard>> = Object.fromEntries(
  Object.entries({ fleet, rooms, nodes, migrations, brokers, cost }).map(([name, builder]) => [name, builder.build()]),
);
