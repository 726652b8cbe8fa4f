import { describe, expect, it } from '@jest/globals';

import { MoveProgress } from './move-progress.js';

describe('MoveProgress', () => {
  it('estimates by what was copied since the moving began', () => {
    const progress = new MoveProgress();
    expect(progress.estimate(0)).toBeUndefined();
    progress.update(10, 1000);
    expect(progress.estimate(3000)).toEqual({
      replicasToGo: 10,
      replicasDone: 0,
      elapsedMs: 2000,
      estimateMs: undefined,
    });
    progress.update(6, 3000);
    expect(progress.estimate(3000)).toMatchObject({ replicasDone: 4, estimateMs: 3000 });
  });

  it('takes a rise for more work, and begins anew when all is done', () => {
    const progress = new MoveProgress();
    progress.update(2, 0);
    progress.update(5, 10);
    progress.update(4, 20);
    expect(progress.estimate(20)).toMatchObject({ replicasToGo: 4, replicasDone: 1 });
    progress.update(0, 30);
    expect(progress.estimate(30)).toBeUndefined();
    progress.update(1, 1000);
    expect(progress.estimate(1500)).toMatchObject({ replicasDone: 0, elapsedMs: 500 });
    expect(progress.total).toBe(5);
  });
});
