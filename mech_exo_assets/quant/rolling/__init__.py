"""Rolling kernels: figures over the last `window` sessions of each name, over matrices of sessions by symbols with NaN.

What belongs here: the primitives that factors are written with. What does not: any finance, and any panel.

All kernels share one scheme, and its promises.

**Blocks.** The sessions of a calendar year are cut into blocks of `window` sessions, counted from the year's first. The window of a
session then consists of an *older* part, that ends before its block, and a *newer* part, that begins with the block. Both are built
by adding alone: the older parts of a block backwards from its start, the newer forwards; a window is one of each, joined. Nothing is
ever subtracted, so

- a figure depends on nothing but what is in its window and where its year begins. Figures of a year are the same to the last bit,
  however much history before the window was loaded (the platform computes year by year, and must not depend on it);
- an outlier that has left the window leaves no residue, and the window of a constant has a standard deviation of exactly 0;
- the cost of a session does not grow with the window: two additions and one join.

**Anchors.** Second and third moments are taken about an observation that is itself in the window (the block's first session), which
bounds the error by cancellation: the sum of squares about any member of a window is at most n + 1 times that about its mean.

**Tiles.** Sums stand in small arrays with one element for each symbol of a tile, and all inner loops run over contiguous symbols
without branches, so that they vectorise. No figure depends on other symbols.

**Threads.** A kernel runs in the thread that calls it, and lets go of the interpreter: `factors.compute` gives each thread symbols of its
own. Threads within a kernel would wait for one another at the end of each, which on a busy machine costs more than the work.

**Coverage.** Functions compiled by numba are invisible to coverage; they carry `pragma: no cover` and are tested through the public
function that stands beside them. Arguments are made C-contiguous, writable float64 first, so that each is compiled only once.

Every public function takes `values` (n_sessions, n_symbols), and `window` (sessions, the current one included), `min_count` (known
values that a window must hold, else NaN) and `year_starts` (`Panel.year_starts()`). Sessions before the first are unknown.
"""
