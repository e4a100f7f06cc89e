import { planFleet } from './model.ts';
import { capacityOptions } from './options.ts';
import { details, overview } from './report.ts';
import { unitCosts } from './unit-costs.ts';

const magnitudes = [10_000, 100_000, 1_000_000, 10_000_000];
const { demand, json } = capacityOptions();
const plans = (demand.participants === 0 ? magnitudes : [demand.participants])
  // A room has as many participants as the fleet at most.
  .map((participants) => planFleet({ ...demand, participants, roomSize: Math.min(demand.roomSize, participants) }));

if (json) console.log(JSON.stringify({ plans, unitCosts }, null, 1));
else console.log(`\n${plans.length > 1 ? overview(plans) : details(plans[0]!)}\n`);
