import { between } from './between.mjs';
import { aligned } from './table.mjs';

/**
 * The README of chaos/, with the table of its experiments.
 * @param {string} page
 * @param {typeof import('@flotilla/chaos')} chaos
 */
export const withExperiments = (page, { experiments, experimentRows, refusedBy }) =>
  between(
    page,
    { begin: '<!-- experiments -->', end: '<!-- /experiments -->' },
    aligned(experimentRows(experiments(), refusedBy)),
  );
