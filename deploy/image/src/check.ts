// `flotilla check <service>`: explains in one line each what keeps the service from starting with this environment.
import { checkConfiguration } from '@flotilla/backplane';
import { configurations } from './configurations.ts';

/** Prints what is wrong. Returns the exit code: 0, or 78 (EX_CONFIG of sysexits.h), with which the service would end as well. */
export async function check(service: keyof typeof configurations): Promise<number> {
  const problems = await checkConfiguration(configurations[service]);
  for (const problem of problems) console.log(problem);
  if (problems.length === 0) console.log(`${service} can start`);
  return problems.length === 0 ? 0 : 78;
}
