import { testConfig } from '../../tools/vitest.mjs';

export default testConfig();
