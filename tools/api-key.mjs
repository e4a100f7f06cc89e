// `npm run api-key -- NAME SCOPE+SCOPE`: makes a key of the REST API. See docs/authorization.md.
import { runWithHelp } from './setup/help.mjs';
import { prepare } from './setup/prepare.mjs';
import { SetupError } from './setup/steps.mjs';

const usage = `npm run api-key -- NAME SCOPE+SCOPE

Makes a key of the REST API and its entry in FLOTILLA_API_KEYS. '*' stands for all scopes. See docs/authorization.md.

  --help   this text
`;

await runWithHelp(usage, async () => {
  const [name = '', listed = ''] = process.argv.slice(2);
  await prepare();
  const [auth, { ApiScope }] = await Promise.all([import('@flotilla/auth'), import('@flotilla/contracts')]);
  const scopes = /** @type {import('@flotilla/contracts').ApiScope[]} */ (listed.split('+'));
  const { key, entry } = auth.newApiKey(name, listed === '*' ? listed : scopes);
  if (!auth.apiKeyList().safeParse(entry).success)
    throw new SetupError(
      `Name the key and its scopes, of ${ApiScope.options.join(', ')}, or '*' for all: npm run api-key -- backend rooms+tokens`,
    );
  console.log(`\nKey, for the client:\n  ${key}\nIts entry in FLOTILLA_API_KEYS:\n  ${entry}`);
  return 0;
});
