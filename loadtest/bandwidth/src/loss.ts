import type { Random } from '@flotilla/loadtest-kit';

/** Whether the next packet is lost on the way, apart from what a full queue drops. */
export type LossModel = (random: Random) => () => boolean;

export const noLoss: LossModel = () => () => false;

export const randomLoss =
  (share: number): LossModel =>
  (random) =>
  () =>
    random.next() < share;

/**
 * Gilbert and Elliott's two states: packets are lost only in the bad one.
 *
 * @param toBad probability per packet of entering the bad state; `toGood` of leaving it.
 */
export const burstLoss =
  (toBad: number, toGood: number, lossInBad: number): LossModel =>
  (random) => {
    let isBad = false;
    return () => {
      isBad = isBad ? random.next() >= toGood : random.next() < toBad;
      return isBad && random.next() < lossInBad;
    };
  };
