import { expect, test } from 'vitest';
import { flag, number, oneOf, parseOptions, share, text, usage } from '../src/options.ts';

const table = {
  sessions: number('sessions on each side', 10, 1, 18),
  cut: share('share that is cut', 0.01),
  plain: flag('without TLS'),
  topology: oneOf('default: both', ['standalone', 'fleet']),
  api: text('URL of a deployment'),
};

test('an option that is not given has its default', () => {
  expect(parseOptions(table, [])).toEqual({
    sessions: 10,
    cut: 0.01,
    plain: false,
    topology: undefined,
    api: undefined,
  });
});

test('given options are parsed', () => {
  expect(
    parseOptions(table, ['--sessions', '18', '--cut=0.5', '--plain', '--topology', 'fleet', '--api', 'x']),
  ).toEqual({
    sessions: 18,
    cut: 0.5,
    plain: true,
    topology: 'fleet',
    api: 'x',
  });
  expect(parseOptions(table, ['--help', '--sessions', '0'])).toBe('help');
});

test.each([
  [['--sessions', '19'], '--sessions takes a whole number from 1 to 18, not "19".'],
  [['--sessions', '0'], '--sessions takes a whole number from 1 to 18, not "0".'],
  [['--sessions', '1.5'], '--sessions takes a whole number from 1 to 18, not "1.5".'],
  [['--sessions', ''], '--sessions takes a whole number from 1 to 18, not "".'],
  [['--cut', 'half'], '--cut takes a number from 0 to 1, not "half".'],
  [['--topology', 'moon'], '--topology is standalone or fleet, not "moon".'],
])('%j is refused with the valid values', (args, message) => {
  expect(() => parseOptions(table, args)).toThrow(message);
});

test('an unknown option is refused with its name', () => {
  expect(() => parseOptions(table, ['--session', '3'])).toThrow(/'--session'/);
  expect(() => parseOptions(table, ['3'])).toThrow(/'3'/);
});

test('the usage lists every option with its bounds and its default', () => {
  expect(usage('bench:x', 'About x.', table)).toBe(`npm run bench:x -- [options]

About x.

  --sessions N     sessions on each side, 1 to 18 (default 10)
  --cut N          share that is cut, 0 to 1 (default 0.01)
  --plain          without TLS
  --topology NAME  standalone or fleet (default: both)
  --api TEXT       URL of a deployment
  --help           this text
`);
});
