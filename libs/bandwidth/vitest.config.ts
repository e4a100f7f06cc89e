export { testConfig as default } from '../../tools/vitest.mjs';
