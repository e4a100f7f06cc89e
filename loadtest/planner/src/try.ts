import { simulate, wholeDay } from './simulation.ts';
const r = simulate({
  ...wholeDay,
  hours: Number(process.argv[2] ?? 24),
  from: Number(process.argv[3] ?? 4),
  plans: process.argv[4] !== 'no',
});
const q = (v: number[]) => {
  const s = v.toSorted((a, b) => a - b);
  return { n: s.length, p50: s[s.length >> 1], p95: s[Math.floor(s.length * 0.95)], max: s.at(-1) };
};
console.log({
  ...r,
  points: r.points
    .filter((_, i) => i % 24 === 0)
    .map(
      (p) =>
        `${p.hour.toFixed(1)} ${p.peers} ${p.cpuMean.toFixed(2)} ${p.cpuMax.toFixed(2)} hot${p.hot} dr${p.draining} dead${p.dead} poor${p.poor} ${JSON.stringify(p.moves)}`,
    ),
  hotSeconds: q(r.hotSeconds),
  drainSeconds: q(r.drainSeconds),
  lostSeconds: q(r.lostSeconds),
});
