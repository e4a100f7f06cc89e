export * from './generated-files.ts';
export { type BudgetObjective, type LevelObjective, type Objective, objectives } from './objectives.ts';
export { titleOf } from './rules.ts';
