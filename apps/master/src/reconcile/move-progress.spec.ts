import { describe, expect, it } from '@jest/globals';

import { MoveProgress } from './move-progress.js';

describe('MoveProgress', () => {
  it('estimates by what was copied since the moving began', () => {
    const progress = new MoveProgress();
    expect(progress.estimate(0)).toBeUndefined();
    progress.update({ copied: 0, replicasToGo: 10 }, 1000);
    expect(progress.estimate(3000)).toEqual({
      replicasToGo: 10,
      replicasDone: 0,
      elapsedMs: 2000,
      estimateMs: undefined,
    });
    progress.update({ copied: 4, replicasToGo: 6 }, 3000);
    expect(progress.estimate(3000)).toMatchObject({ replicasDone: 4, estimateMs: 3000 });
  });

  it('counts what was copied, however the plan changes, and begins anew when all is done', () => {
    const progress = new MoveProgress();
    progress.update({ copied: 0, replicasToGo: 5 }, 0);
    progress.update({ copied: 0, replicasToGo: 2 }, 10);
    progress.update({ copied: 1, replicasToGo: 4 }, 20);
    expect(progress.estimate(20)).toMatchObject({ replicasToGo: 4, replicasDone: 1 });
    progress.update({ copied: 1, replicasToGo: 0 }, 30);
    expect(progress.estimate(30)).toBeUndefined();
    progress.update({ copied: 0, replicasToGo: 1 }, 1000);
    expect(progress.estimate(1500)).toMatchObject({ replicasDone: 0, elapsedMs: 500 });
    expect(progress.total).toBe(2);
  });
});
