// An input of the target `integration`, see nx.json: results of tests that did not run are not those of a machine on which they run.
import { missingPrograms } from './setup/kubernetes.mjs';

console.log(missingPrograms() ?? 'none');
