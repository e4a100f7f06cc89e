export { experiments } from './manifests/experiment.ts';
export { experimentRows } from './manifests/table.ts';
export { refusedBy } from './refusals.ts';
